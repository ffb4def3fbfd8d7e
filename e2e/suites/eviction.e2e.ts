/**
 * A node that runs short, and pods that take more than they may. Memory is short in the group of all pods alone, disk and inodes on a small file
 * system of the node's own: the machine itself has enough of all.
 */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { mkdirSync, writeFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { newCluster, type Cluster } from '../machine/cluster.ts';
import { run } from '../machine/command.ts';
import { imageArchive } from '../machine/image-archive.ts';
import type { Kubectl, PodObject } from '../machine/kubectl.ts';
import { waitFor } from '../machine/wait-for.ts';
import { IDLE, pod, shell } from './objects.ts';

jest.setTimeout(150_000);

const MI = 1 << 20;
const DISK_MI = 240;
const UNUSED_IMAGE = 'docker.io/test/unused:1';
/** The image takes twice this: packed and unpacked. */
const UNUSED_MI = 30;
const INODES = 3_000;
const EVICTED_WITHIN = { timeoutMs: 45_000 };

/** All pods together may have 600 MiB, and run short when less than 300 are left. */
const PODS_MI = 600;
const configuration = {
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  kubeReserved: { memory: String(totalmem() - PODS_MI * MI), cpu: '100m' },
  evictionHard: { 'memory.available': '300Mi', 'nodefs.available': '40%', 'nodefs.inodesFree': '40%' },
  evictionPressureTransitionPeriod: '3s',
  imageMinimumGCAge: '1s',
  podPidsLimit: 30,
};

let cluster: Cluster;
let k: Kubectl;

beforeAll(async () => {
  const file = 'kubelet.yaml';
  cluster = newCluster('eviction');
  const { control } = cluster;
  await cluster.build();
  const folder = control.path('data');
  mkdirSync(folder, { recursive: true });
  const image = control.path('disk.img');
  await run(['truncate', '-s', `${DISK_MI}M`, image]);
  await run(['mkfs.ext4', '-q', '-m', '0', '-N', String(INODES), image]);
  await run(['mount', '-o', 'loop', image, folder]);
  writeFileSync(control.path(file), JSON.stringify(configuration));
  control.writeConfig({ 'kubelet-config': control.path(file) });
  await cluster.up();
  const archive = await imageArchive(control.path('image'), UNUSED_IMAGE, UNUSED_MI);
  await control.k8ts(['images', 'import', archive]);
  k = await cluster.kubectl.newNamespace('eviction');
});
afterAll(async () => cluster?.close());

const idle = (script: string): string[] => shell(`${script}; trap "exit 0" TERM; sleep 100000 & wait`);
const fill = (path: string, mebibytes: number): string =>
  `dd if=/dev/zero of=${path} bs=1048576 count=${mebibytes} 2>/dev/null`;
const scratch = (emptyDir: object, resources: object = {}) => ({
  container: { resources, volumeMounts: [{ name: 'scratch', mountPath: '/scratch' }] },
  spec: { volumes: [{ name: 'scratch', emptyDir }] },
});

function evicted(name: string): Promise<PodObject> {
  return k.waitPod(name, 'to be evicted', ({ status }) => status.phase === 'Failed', EVICTED_WITHIN);
}

interface NodeObject {
  spec: { taints?: { key: string; effect: string }[] };
  status: {
    conditions: { type: string; status: string; reason: string; message: string }[];
    allocatable: Record<string, string>;
  };
}

const node = (): Promise<NodeObject> => k.json<NodeObject>(['get', 'node', 'cp']);

async function conditionIs(type: string, status: string): Promise<NodeObject['status']['conditions'][0]> {
  return waitFor(`${type} to be ${status}`, async () =>
    (await node()).status.conditions.find(condition => condition.type === type && condition.status === status),
  );
}

test('limits of local storage and of processes hold, each with its own words', async () => {
  const upTo = (size: string) => ({ limits: { 'ephemeral-storage': size } });
  await k.create(
    pod('volume', { command: idle(fill('/scratch/x', 6)), ...scratch({ sizeLimit: '5Mi' }) }),
    pod('layer', { command: idle(fill('/x', 6)), container: { resources: upTo('4Mi') } }),
    pod('within', { command: idle(fill('/scratch/x', 4)), ...scratch({ sizeLimit: '5Mi' }, upTo('8Mi')) }),
    pod('forks', { command: idle('for i in $(seq 60); do sleep 100000 & done') }),
  );
  const [volume, layer] = await Promise.all([evicted('volume'), evicted('layer')]);
  expect(volume.status).toMatchObject({
    reason: 'Evicted',
    message: 'Usage of EmptyDir volume "scratch" exceeds the limit "5Mi". ',
  });
  expect(layer.status).toMatchObject({
    reason: 'Evicted',
    message: 'Pod ephemeral local storage usage exceeds the total limit of containers 4Mi. ',
  });
  expect(volume.status.conditions?.some(({ type }) => type === 'DisruptionTarget')).toBe(false);
  expect((await k.pod('within')).status.phase).toBe('Running');
  expect(await k.run(['logs', 'forks'])).toMatch(/can't fork|Resource temporarily unavailable/);
  await k.run(['delete', 'pod', '--all', '--wait=true']);
});

test('the pod that took the memory goes; what asked for it stays, and best effort is turned away', async () => {
  const { allocatable } = (await node()).status;
  expect(allocatable['memory']).toBe('300Mi');
  await k.create(
    pod('modest', { command: IDLE, container: { resources: { requests: { memory: '200Mi' } } } }),
    pod('greedy', { command: idle(`sleep 3; ${fill('/scratch/x', 330)}`), ...scratch({ medium: 'Memory' }) }),
  );
  await k.waitReady('pod modest');
  const { status } = await evicted('greedy');
  expect(status.reason).toBe('Evicted');
  expect((status as { message?: string }).message).toMatch(
    /^The node was low on resource: memory\. Threshold quantity: 300Mi, available: \w+\. Container main was using \w+, request is 0, has larger consumption of memory\. $/,
  );
  expect(status.conditions?.find(({ type }) => type === 'DisruptionTarget')).toMatchObject({
    status: 'True',
    reason: 'TerminationByKubelet',
  });
  expect(await conditionIs('MemoryPressure', 'True')).toMatchObject({
    reason: 'KubeletHasInsufficientMemory',
    message: 'kubelet has insufficient memory available',
  });
  await waitFor('the taint', async () =>
    (await node()).spec.taints?.some(
      ({ key, effect }) => key === 'node.kubernetes.io/memory-pressure' && effect === 'NoSchedule',
    ),
  );
  await k.create(pod('late', { command: IDLE, spec: { nodeName: 'cp' } }));
  expect((await evicted('late')).status).toMatchObject({
    reason: 'Evicted',
    message: 'Pod was rejected: The node had condition: [MemoryPressure]. ',
  });
  const modest = await k.pod('modest');
  expect([modest.status.phase, modest.status.containerStatuses?.[0]?.restartCount]).toEqual(['Running', 0]);
  const [event] = await k.list<{ metadata: { annotations?: object }; reason: string }>([
    'events',
    '--field-selector',
    'involvedObject.name=greedy,reason=Evicted',
  ]);
  expect(event?.metadata.annotations).toMatchObject({ offending_containers: 'main', starved_resource: 'memory' });
  const description = await k.run(['describe', 'node', 'cp']);
  expect(description).toMatch(/Taints: +node\.kubernetes\.io\/memory-pressure:NoSchedule/);
  expect(description).toMatch(
    /MemoryPressure +True .*KubeletHasInsufficientMemory +kubelet has insufficient memory available/,
  );
  expect(description).toMatch(/EvictionThresholdMet .*Attempting to reclaim memory/);
  expect(description).toMatch(/NodeAllocatableEnforced .*Updated Node Allocatable limit across pods/);
});

test('unused images go before pods; then what fills the disk, and what uses up its inodes; the node recovers', async () => {
  // Short of memory, the node still takes pods that say what they need; the scheduler would not bring them.
  const resources = { requests: { cpu: '10m' } };
  const bound = ({ container, spec }: ReturnType<typeof scratch>) => ({ container, spec: { ...spec, nodeName: 'cp' } });
  const images = (): Promise<string> => cluster.control.k8ts(['images', 'list']);
  expect(await images()).toContain(UNUSED_IMAGE);
  await k.create(
    pod('filler', { command: idle(fill('/scratch/x', 75)), ...bound(scratch({}, resources)) }),
    pod('touchy', { command: IDLE, ...bound(scratch({}, resources)) }),
  );
  await k.waitReady('pod filler touchy');
  await waitFor('the unused image to go', async () => !(await images()).includes(UNUSED_IMAGE), EVICTED_WITHIN);
  expect((await k.pod('filler')).status.phase).toBe('Running');
  await k.exec('touchy', `cd /scratch; i=0; while [ $i -lt ${INODES * 0.65} ]; do : >$i; i=$((i+1)); done`);
  await k.exec('filler', fill('/scratch/y', 80));
  const [filler, touchy] = await Promise.all([evicted('filler'), evicted('touchy')]);
  const lowOn = (resource: string): RegExp =>
    new RegExp(`^The node was low on resource: ${resource}\\. Threshold quantity: \\w+, available: \\w+\\. `);
  expect((filler.status as { message?: string }).message).toMatch(lowOn('ephemeral-storage'));
  expect((touchy.status as { message?: string }).message).toMatch(lowOn('inodes'));
  expect(await conditionIs('DiskPressure', 'True')).toMatchObject({ reason: 'KubeletHasDiskPressure' });
  await Promise.all([conditionIs('DiskPressure', 'False'), conditionIs('MemoryPressure', 'False')]);
  await waitFor('the taints to go', async () => ((await node()).spec.taints ?? []).length === 0);
  expect((await k.pod('modest')).status.phase).toBe('Running');
  const metrics = await k.run(['get', '--raw', '/api/v1/nodes/cp/proxy/metrics']);
  for (const signal of ['allocatableMemory.available', 'nodefs.available', 'nodefs.inodesFree', 'emptydirfs.limit'])
    expect(metrics).toMatch(new RegExp(`kubelet_evictions\\{eviction_signal="${signal}"\\} [1-9]`));
});
