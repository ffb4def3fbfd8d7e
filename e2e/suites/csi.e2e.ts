/** Volumes of a CSI driver: registered, made, attached, mounted, grown, measured, and taken away whatever happens in between. */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { sharedCluster, type Cluster } from '../machine/cluster.ts';
import { CsiDriver } from '../machine/csi-driver.ts';
import type { Kubectl, KubeObject } from '../machine/kubectl.ts';
import { waitFor } from '../machine/wait-for.ts';
import { IDLE, pod } from './objects.ts';

jest.setTimeout(120_000);

const DRIVER = 'e2e.csi.example';
const GROUP = 2345;

let cluster: Cluster;
let k: Kubectl;
let driver: CsiDriver;

interface Claim extends KubeObject {
  readonly spec: { readonly volumeName?: string };
  readonly status: {
    readonly phase?: string;
    readonly capacity?: { readonly storage?: string };
    readonly conditions?: unknown;
  };
}

interface Node extends KubeObject {
  readonly status: {
    readonly volumesInUse?: readonly string[];
    readonly volumesAttached?: readonly { name: string }[];
  };
}

beforeAll(async () => {
  cluster = await sharedCluster();
  k = await cluster.kubectl.newNamespace('csi');
  driver = new CsiDriver(cluster.control, DRIVER);
  await driver.start();
  await k.apply(
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'CSIDriver',
      metadata: { name: DRIVER },
      spec: { podInfoOnMount: true, volumeLifecycleModes: ['Persistent', 'Ephemeral'] },
    },
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name: DRIVER },
      provisioner: DRIVER,
      allowVolumeExpansion: true,
    },
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'stage-key' }, stringData: { key: 'sesame' } },
  );
});

afterAll(async () => {
  driver.knobs = {};
  await k?.removeNamespace();
  await waitFor('the volumes to be gone', async () => (await volumesOf(DRIVER)).length === 0).catch(() => undefined);
  await k?.try(['delete', 'csidriver,storageclass', DRIVER]);
  await driver?.stop();
});

function claim(name: string, spec: object = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name },
    spec: {
      storageClassName: DRIVER,
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: '16Mi' } },
      ...spec,
    },
  };
}

function user(name: string, claimName: string, container: object = {}): object {
  return pod(name, {
    command: IDLE,
    container: { volumeMounts: [{ name: 'data', mountPath: '/data' }], ...container },
    spec: {
      securityContext: { fsGroup: GROUP },
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName } }],
    },
  });
}

async function volumesOf(name: string): Promise<readonly KubeObject[]> {
  const volumes = await k.list<KubeObject & { spec: { csi?: { driver: string } } }>(['pv']);
  return volumes.filter(({ spec }) => spec.csi?.driver === name);
}

async function volumeOf(claimName: string): Promise<string> {
  return waitFor(`claim ${claimName} to be bound`, async () => {
    const { spec, status } = await k.json<Claim>(['get', 'pvc', claimName]);
    return status.phase === 'Bound' ? spec.volumeName : undefined;
  });
}

function mountsNaming(text: string): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return lines
    .map(line => line.split(' ')[4] ?? '')
    .filter(point => point.includes(text) && point.includes(driver.kubeletRoot));
}

async function uidOf(name: string): Promise<string> {
  return (await k.pod(name)).metadata.uid;
}

test('a driver that registers stands in the CSINode and at its node', async () => {
  const { spec } = await k.json(['get', 'csinode', cluster.control.name]);
  const key = `topology.${DRIVER}/host`;
  const nodeID = `id-of-${cluster.control.name}`;
  expect(spec?.['drivers']).toEqual([{ name: DRIVER, nodeID, topologyKeys: [key], allocatable: { count: 20 } }]);
  const { metadata } = await k.json(['get', 'node', cluster.control.name]);
  expect(metadata.labels).toMatchObject({ [key]: nodeID });
  expect(JSON.parse(metadata.annotations?.['csi.volume.kubernetes.io/nodeid'] ?? '')).toEqual({ [DRIVER]: nodeID });
});

test('a claim is attached, staged once for two pods, grows, is measured, and goes with its last pod', async () => {
  await k.apply(claim('shared'), user('one', 'shared'), user('two', 'shared'));
  const volume = await volumeOf('shared');
  await k.waitReady('pod one two');
  await k.exec('one', 'echo hello > /data/word; sync');
  expect(await k.exec('two', 'cat /data/word')).toBe('hello\n');
  expect(await k.exec('two', 'stat -c %g /data /data/word')).toBe(`${GROUP}\n${GROUP}\n`);
  await k.waitEvent('one', 'SuccessfulAttachVolume', /./);

  const calls = driver.calls();
  expect(calls.filter(line => line === `NodeStageVolume ${volume}`)).toHaveLength(1);
  expect(calls.filter(line => line === `NodePublishVolume ${volume}`)).toHaveLength(2);
  const staged = calls.find(line => line.startsWith('stage ')) ?? '';
  // SINGLE_NODE_MULTI_WRITER
  expect(JSON.parse(staged.slice('stage '.length))).toEqual({
    mode: 7,
    publishContext: { attachedBy: DRIVER },
    secrets: { key: 'sesame' },
  });
  const published = calls.findLast(line => line.startsWith('publish ')) ?? '';
  expect(published).toContain('"csi.storage.k8s.io/pod.namespace"');

  const node = await k.json<Node>(['get', 'node', cluster.control.name]);
  const unique = `kubernetes.io/csi/${DRIVER}^${volume}`;
  expect(node.status.volumesInUse).toContain(unique);
  expect(node.status.volumesAttached?.map(({ name }) => name)).toContain(unique);

  const sizeBefore = Number(await k.exec('one', "df -k /data | awk 'NR==2 {print $2}'"));
  await k.run(['patch', 'pvc', 'shared', '-p', '{"spec":{"resources":{"requests":{"storage":"48Mi"}}}}']);
  await waitFor(
    'the claim to have grown',
    async () => {
      const { status } = await k.json<Claim>(['get', 'pvc', 'shared']);
      if (status.capacity?.storage === '48Mi' && status.conditions === undefined) return true;
      throw new Error(JSON.stringify(status));
    },
    { timeoutMs: 60_000, everyMs: 500 },
  );
  expect(Number(await k.exec('one', "df -k /data | awk 'NR==2 {print $2}'"))).toBeGreaterThan(2 * sizeBefore);

  driver.knobs = { abnormal: 'disk on fire' };
  const summary = JSON.parse(
    await k.run(['get', '--raw', `/api/v1/nodes/${cluster.control.name}/proxy/stats/summary`]),
  ) as {
    pods: {
      podRef: { name: string; namespace: string };
      volume?: { name: string; capacityBytes?: number; pvcRef?: unknown }[];
    }[];
  };
  const one = summary.pods.find(({ podRef }) => podRef.name === 'one' && podRef.namespace === k.namespace);
  const data = one?.volume?.find(({ name }) => name === 'data');
  expect(data?.pvcRef).toEqual({ name: 'shared', namespace: k.namespace });
  expect(data?.capacityBytes).toBeGreaterThan(2 * sizeBefore * 1024);
  await waitFor('the event of the condition', async () =>
    (await k.events('one')).some(
      ({ reason, message }) => reason === 'VolumeConditionAbnormal' && message.includes('disk on fire'),
    ),
  );
  driver.knobs = {};

  await k.run(['delete', 'pod', 'one']);
  await k.waitGone('pod one');
  expect(driver.calls()).not.toContain(`NodeUnstageVolume ${volume}`);
  expect(await k.exec('two', 'cat /data/word')).toBe('hello\n');
  await k.run(['delete', 'pod', 'two']);
  await k.waitGone('pod two');
  expect(driver.calls()).toContain(`NodeUnstageVolume ${volume}`);
  await waitFor('the detachment', () => driver.calls().includes(`detach ${volume}`));
  await k.run(['delete', 'pvc', 'shared']);
  await waitFor('the volume to be gone', async () => (await volumesOf(DRIVER)).length === 0);
  expect(mountsNaming(DRIVER)).toEqual([]);
});

test('an inline volume lives and ends with its pod', async () => {
  await k.apply(
    pod('inline', {
      command: IDLE,
      container: { volumeMounts: [{ name: 'data', mountPath: '/data' }] },
      spec: { volumes: [{ name: 'data', csi: { driver: DRIVER, volumeAttributes: { colour: 'blue' } } }] },
    }),
  );
  await k.waitReady('pod inline');
  await k.exec('inline', 'echo here > /data/file');
  const published = driver.calls().findLast(line => line.startsWith('publish ')) ?? '';
  const { volumeContext } = JSON.parse(published.slice('publish '.length)) as { volumeContext: Record<string, string> };
  expect(volumeContext).toMatchObject({ colour: 'blue', 'csi.storage.k8s.io/ephemeral': 'true' });
  const uid = await uidOf('inline');
  await k.run(['delete', 'pod', 'inline']);
  await k.waitGone('pod inline');
  expect(mountsNaming(uid)).toEqual([]);
});

test('a block volume is a device in the container', async () => {
  await k.apply(
    claim('disk', { volumeMode: 'Block' }),
    user('raw', 'disk', { volumeMounts: [], volumeDevices: [{ name: 'data', devicePath: '/dev/xvda' }] }),
  );
  await k.waitReady('pod raw');
  await k.exec('raw', 'test -b /dev/xvda && echo raw > /dev/xvda && sync');
  expect(await k.exec('raw', 'head -c 4 /dev/xvda')).toBe('raw\n');
  const uid = await uidOf('raw');
  expect(mountsNaming(uid)).toHaveLength(1);
  await k.run(['delete', 'pod/raw', 'pvc/disk']);
  await k.waitGone('pod raw');
  expect(mountsNaming(uid)).toEqual([]);
});

test('a driver that hangs costs the pod of its call alone', async () => {
  await k.apply(claim('stuck'), claim('free'));
  const [stuck] = await Promise.all([volumeOf('stuck'), volumeOf('free')]);
  driver.knobs = { hang: [`NodeStageVolume ${stuck}`] };
  await k.apply(user('waits', 'stuck'));
  await waitFor('the call to hang', () => driver.calls().includes(`NodeStageVolume ${stuck}`));
  await k.apply(user('goes', 'free'));
  await k.waitReady('pod goes');
  expect((await k.pod('waits')).status.phase).toBe('Pending');
  driver.knobs = {};
  await k.waitReady('pod waits');
});

test('a driver that dies and comes back goes on where it was', async () => {
  await driver.stop('SIGKILL');
  await k.exec('goes', 'echo still > /data/word');
  await k.run(['delete', 'pod', 'waits', '--wait=false']);
  await driver.start();
  await k.waitGone('pod waits');
  await k.apply(user('again', 'stuck'));
  await k.waitReady('pod again');
  await k.run(['delete', 'pod', 'again']);
  await k.waitGone('pod again');
});

test('after kill -9 of the agent a pod that nobody knows any more is taken away from what lies on disk', async () => {
  const uid = await uidOf('goes');
  const volume = await volumeOf('free');
  expect(mountsNaming(uid)).toHaveLength(1);
  driver.knobs = { hang: [`NodeUnpublishVolume ${volume}`] };
  await k.run(['delete', 'pod', 'goes', '--force', '--grace-period=0']);
  await waitFor('the call to hang', () => driver.calls().includes(`NodeUnpublishVolume ${volume}`));
  await cluster.control.kill9();
  driver.knobs = {};
  await cluster.up();
  await waitFor('the volume to be unmounted', () => mountsNaming(uid).length === 0);
  await waitFor('the volume to be unstaged', () => driver.calls().includes(`NodeUnstageVolume ${volume}`));
  await waitFor('the detachment', () => driver.calls().includes(`detach ${volume}`));
  expect(mountsNaming(DRIVER)).toEqual([]);
});

test('a driver that leaves is taken off the CSINode', async () => {
  await driver.stop();
  await waitFor('the driver to be gone', async () => {
    const { spec } = await k.json(['get', 'csinode', cluster.control.name]);
    return (spec?.['drivers'] as unknown[] | null)?.length === 0 || spec?.['drivers'] === null;
  });
  await driver.start();
});
