/** The default provisioner: claims get a folder on the node of their pod, which outlives pods and agents and goes with the claim. */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sharedCluster, type Cluster } from '../machine/cluster.ts';
import type { Kubectl } from '../machine/kubectl.ts';
import { waitFor } from '../machine/wait-for.ts';
import { IDLE, pod } from './objects.ts';

jest.setTimeout(120_000);

let cluster: Cluster;
let k: Kubectl;

beforeAll(async () => {
  cluster = await sharedCluster();
  k = await cluster.kubectl.newNamespace('local');
});
afterAll(async () => {
  await k?.try(['delete', 'statefulsets,pods', '--all', '--force', '--grace-period=0']);
  await k?.try(['delete', 'pvc', '--all', '--wait=false']);
  await k?.removeNamespace();
  await cluster?.kubectl.try(['delete', 'storageclass', 'local-other']);
});

const storage = (): string => cluster.control.path('data', 'storage');

const claim = (name: string, spec: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...spec },
});

const user = (name: string, claimName: string, spec: object = {}, mount: object = {}): object =>
  pod(name, {
    command: IDLE,
    container: { volumeMounts: [{ name: 'v', mountPath: '/v', ...mount }] },
    spec: { volumes: [{ name: 'v', persistentVolumeClaim: { claimName } }], ...spec },
  });

/** Where the claim's data lie. */
async function folderOf(claimName: string): Promise<string> {
  const name = await k.run(['get', 'pvc', claimName, '-o', 'jsonpath={.spec.volumeName}']);
  expect(name).toMatch(/^pvc-/);
  return join(storage(), name);
}

const gone = (folder: string): Promise<unknown> =>
  waitFor(`${folder} to go`, () => !existsSync(folder) && !existsSync(join(storage(), '.removing', folder)));

test('a StatefulSet keeps its data when its pod goes and when k8ts is killed, until its claim is deleted', async () => {
  const { spec } = pod('web', {
    command: IDLE,
    container: { volumeMounts: [{ name: 'data', mountPath: '/v' }] },
  }) as { spec: object };
  await k.apply({
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'web' },
    spec: {
      serviceName: 'web',
      replicas: 1,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec },
      // No class is named: it is the default one's.
      volumeClaimTemplates: [claim('data')],
    },
  });
  await waitFor('the pod', async () => (await k.try(['get', 'pod', 'web-0'])).code === 0);
  await k.waitReady('pod/web-0');
  await k.exec('web-0', 'echo kept > /v/x');
  const folder = await folderOf('data-web-0');
  expect([statSync(folder).mode & 0o777, statSync(storage()).mode & 0o777]).toEqual([0o777, 0o700]);
  const volume = await k.json<{ metadata: { name: string; finalizers: string[] }; spec: Record<string, unknown> }>([
    'get',
    'pv',
    folder.slice(folder.lastIndexOf('/') + 1),
  ]);
  expect(volume.spec).toMatchObject({ storageClassName: 'local-path', persistentVolumeReclaimPolicy: 'Delete' });
  expect(volume.metadata.finalizers.sort()).toEqual([
    'external-provisioner.volume.kubernetes.io/finalizer',
    'kubernetes.io/pv-protection',
  ]);

  await cluster.control.kill9();
  await cluster.up();
  const { uid } = (await k.pod('web-0')).metadata;
  await k.run(['delete', 'pod', 'web-0']);
  await k.waitPod('web-0', 'to be another', ({ metadata }) => metadata.uid !== uid);
  await k.waitReady('pod/web-0');
  expect(await k.exec('web-0', 'cat /v/x')).toBe('kept\n');

  // The claim waits for its pod, and the folder for the claim; killed in between, it goes all the same.
  await k.run(['delete', 'pvc', 'data-web-0', '--wait=false']);
  expect(await k.exec('web-0', 'cat /v/x')).toBe('kept\n');
  await k.run(['delete', 'statefulset', 'web', '--wait=false']);
  await cluster.control.kill9();
  await cluster.up();
  await k.waitGone('pvc/data-web-0');
  await gone(folder);
  await waitFor('the volume to go', async () => (await k.try(['get', 'pv', volume.metadata.name])).code !== 0);
  const annotations = await k.run(['get', 'nodes', '-o', 'jsonpath={.items[*].metadata.annotations}']);
  await waitFor('the node to be done', () => !annotations.includes('local-path.k8ts.io/remove"'));
});

test('what lies in a folder leads its removal nowhere else; groups, parts of volumes and other users have their rights', async () => {
  const precious = cluster.control.path('precious');
  mkdirSync(precious, { recursive: true });
  writeFileSync(join(precious, 'data'), 'x');
  await k.apply(
    claim('a'),
    user('a', 'a', { securityContext: { fsGroup: 2345, runAsUser: 1234 } }, { subPath: 'part' }),
  );
  await k.waitReady('pod/a');
  await k.exec('a', `echo mine > /v/x; ln -s ${precious} /v/out; ln -s / /v/all; mkdir -p /v/d/e`);
  const folder = await folderOf('a');
  const file = statSync(join(folder, 'part', 'x'));
  expect([file.uid, file.gid]).toEqual([1234, 2345]);
  await k.run(['delete', 'pod', 'a']);
  expect(readFileSync(join(folder, 'part', 'x'), 'utf8')).toBe('mine\n');
  await k.run(['delete', 'pvc', 'a']);
  await gone(folder);
  expect(readdirSync(precious)).toEqual(['data']);
  expect(existsSync('/usr')).toBe(true);
});

test('what cannot be is told; what is kept stays', async () => {
  await k.apply(
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name: 'local-other' },
      provisioner: 'k8ts.io/local-path',
      volumeBindingMode: 'WaitForFirstConsumer',
      reclaimPolicy: 'Retain',
      allowVolumeExpansion: true,
    },
    claim('block', { volumeMode: 'Block' }),
    claim('shared', { accessModes: ['ReadWriteMany'] }),
    claim('kept', { storageClassName: 'local-other' }),
    user('shared', 'shared'),
    user('kept', 'kept'),
    pod('block', {
      command: IDLE,
      container: { volumeDevices: [{ name: 'v', devicePath: '/dev/x' }] },
      spec: { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'block' } }] },
    }),
  );
  const refused = (name: string, why: RegExp): Promise<string> => k.waitEvent(name, 'ProvisioningFailed', why);
  await Promise.all([
    refused('block', /volumeMode Block is not supported/),
    refused('shared', /access mode ReadWriteMany is not supported/),
    k.waitReady('pod/kept'),
  ]);
  const size = { spec: { resources: { requests: { storage: '2Gi' } } } };
  await k.run(['patch', 'pvc', 'kept', '-p', JSON.stringify(size)]);
  await waitFor('the claim to grow', async () =>
    (await k.run(['get', 'pvc', 'kept', '-o', 'jsonpath={.status.capacity.storage}'])) === '2Gi' ? true : undefined,
  );
  const folder = await folderOf('kept');
  const name = folder.slice(folder.lastIndexOf('/') + 1);
  await k.run(['delete', 'pod', 'kept', 'block', 'shared']);
  await k.run(['delete', 'pvc', 'kept']);
  await waitFor('the volume to be released', async () =>
    (await k.run(['get', 'pv', name, '-o', 'jsonpath={.status.phase}'])) === 'Released' ? true : undefined,
  );
  expect(existsSync(folder)).toBe(true);
  // Its owner changes his mind.
  await k.run(['patch', 'pv', name, '-p', JSON.stringify({ spec: { persistentVolumeReclaimPolicy: 'Delete' } })]);
  await gone(folder);
});
