import { beforeEach, expect, test } from '@jest/globals';
import type { Client } from '../../../machinery/client/client.ts';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { MetricsRegistry } from '../../../machinery/process/metrics.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';
import type { PersistentVolume, PersistentVolumeClaim, Pod, Volume } from '../../../proto/api/core-v1.ts';
import { GuardedFiles } from '../../host/files/guarded-files.ts';
import { NodeVolumeManager } from './node-volume-manager.ts';
import { PodVolumesOnDisk } from './pod-volumes-on-disk.ts';
import { StorageMetrics } from './storage-metrics.ts';
import type { VolumeKind, VolumeRequest } from './volume-kind.ts';

const signal = new AbortController().signal;
const clock = new FakeClock(0);
let requests: VolumeRequest[];
let failure: Error | undefined;
let stuck: Error | undefined;
let manager: NodeVolumeManager;
let claim: PersistentVolumeClaim;
let bound: PersistentVolume;
let registry: MetricsRegistry;

/** Answers as `failure` and `stuck` say. */
const kind: VolumeKind = {
  plugins: ['kubernetes.io~any'],
  owns: (volume, claimed) => volume.emptyDir !== undefined || claimed?.volume.spec.hostPath !== undefined,
  async prepare(request) {
    requests.push(request);
    if (failure !== undefined) throw failure;
    return { hostPath: `/${requests.length}`, readOnly: false, selinuxRelabel: false };
  },
  check: async () => {
    if (stuck !== undefined) throw stuck;
  },
  usage: async () => ({ usedBytes: 5 }),
};

const client = {
  of: ({ kind: name }: { kind: string }) => ({ get: async () => (name === 'PersistentVolume' ? bound : claim) }),
} as unknown as Client;

beforeEach(() => {
  requests = [];
  registry = new MetricsRegistry();
  failure = stuck = undefined;
  claim = { metadata: { name: 'c', uid: 'cu' }, spec: { volumeName: 'disk' }, status: { phase: 'Bound' } };
  bound = { metadata: { name: 'disk' }, spec: { hostPath: { path: '/x' }, claimRef: { uid: 'cu' } } };
  const storage = new StorageMetrics(registry);
  manager = new NodeVolumeManager({
    kinds: [kind],
    disk: new PodVolumesOnDisk('/nowhere', [kind], storage),
    storage,
    files: new GuardedFiles({ workerArgv: [], clock, home: '/' }),
    client,
    clock,
    logger: silentLogger,
  });
});

function pod(uid: string, volume: Omit<Volume, 'name'>): Pod {
  return {
    metadata: { name: uid, uid, namespace: 'n' },
    spec: { containers: [], volumes: [{ name: 'v', ...volume }] },
  };
}

test('prepare() makes a volume once, and again only when a source asks for it', async () => {
  await manager.prepare(pod('a', { emptyDir: {} }), signal);
  expect((await manager.prepare(pod('a', { emptyDir: {} }), signal)).get('v')?.hostPath).toBe('/1');
  requests[0]?.refresh();
  await new Promise(setImmediate);
  expect((await manager.prepare(pod('a', { emptyDir: {} }), signal)).get('v')?.hostPath).toBe('/2');
});

test('how long volumes took to make is counted, and those that cannot be made apart', async () => {
  await manager.prepare(pod('a', { emptyDir: {} }), signal);
  failure = new Error('away');
  await expect(manager.prepare(pod('b', { emptyDir: {} }), signal)).rejects.toThrow('away');
  for (const status of ['success', 'fail-unknown'])
    expect(registry.render()).toContain(
      `storage_operation_duration_seconds_count{volume_plugin="kubernetes.io/any",operation_name="volume_mount",status="${status}",migrated="false"} 1`,
    );
});

test('a refresh that fails keeps the old volume and is tried again, until the volume is no longer wanted', async () => {
  await manager.prepare(pod('a', { emptyDir: {} }), signal);
  failure = new Error('away');
  requests[0]?.refresh();
  await new Promise(setImmediate);
  expect((await manager.prepare(pod('a', { emptyDir: {} }), signal)).get('v')?.hostPath).toBe('/1');
  failure = undefined;
  await clock.advance(10_000);
  await new Promise(setImmediate);
  expect((await manager.prepare(pod('a', { emptyDir: {} }), signal)).get('v')?.hostPath).toBe('/3');
  await manager.teardown('a', signal);
  expect(requests[0]?.ended.aborted).toBe(true);
  requests[0]?.refresh();
  await new Promise(setImmediate);
  expect(requests).toHaveLength(3);
});

test.each<{ what: string; change: () => void; volume: Omit<Volume, 'name'>; why: string }>([
  {
    what: 'fails',
    change: () => (failure = new Error('no room')),
    volume: { emptyDir: {} },
    why: 'volume "v" : no room',
  },
  { what: 'is of no kind', change: () => {}, volume: { fc: {} }, why: 'volume "v" : no volume plugin matched' },
  {
    what: 'is a claim that goes',
    change: () => (claim.metadata.deletionTimestamp = 'now'),
    volume: { persistentVolumeClaim: { claimName: 'c' } },
    why: 'PVC is being deleted',
  },
  {
    what: 'is a claim that waits',
    change: () => (claim.status = { phase: 'Pending' }),
    volume: { persistentVolumeClaim: { claimName: 'c' } },
    why: 'persistentvolumeclaim "c" is not bound',
  },
  {
    what: 'is bound to another claim',
    change: () => (bound.spec.claimRef = { uid: 'other' }),
    volume: { persistentVolumeClaim: { claimName: 'c' } },
    why: 'persistentvolume "disk" is bound to another claim',
  },
  {
    what: 'is an ephemeral claim of somebody else',
    change: () => {},
    volume: { ephemeral: {} },
    why: 'was not created for pod n/a (pod is not owner)',
  },
])('a volume that $what says so', async ({ change, volume, why }) => {
  change();
  await expect(manager.prepare(pod('a', volume), signal)).rejects.toThrow(why);
});

test('a volume that no longer answers is refused, and had again once it does', async () => {
  await manager.prepare(pod('a', { emptyDir: {} }), signal);
  stuck = new Error('hangs');
  await expect(manager.prepare(pod('a', { emptyDir: {} }), signal)).rejects.toThrow('volume "v" : hangs');
  stuck = undefined;
  expect((await manager.prepare(pod('a', { emptyDir: {} }), signal)).get('v')?.hostPath).toBe('/1');
});

test('a pod that runs keeps a claim that goes', async () => {
  claim.metadata.deletionTimestamp = 'now';
  const running = { ...pod('a', { persistentVolumeClaim: { claimName: 'c' } }), status: { phase: 'Running' } };
  expect((await manager.prepare(running, signal)).get('v')?.hostPath).toBe('/1');
});

test('a volume for one pod alone is had by the next once the first is gone', async () => {
  bound.spec.accessModes = ['ReadWriteOncePod'];
  const volume = { persistentVolumeClaim: { claimName: 'c' } };
  await manager.prepare(pod('a', volume), signal);
  await expect(manager.prepare(pod('b', volume), signal)).rejects.toThrow('already in use by another pod');
  await manager.teardown('a', signal);
  await manager.prepare(pod('b', volume), signal);
});

test('usage() tells of what is measured, and which claim it is', async () => {
  await manager.prepare(pod('a', { persistentVolumeClaim: { claimName: 'c' } }), signal);
  expect(await manager.usage('a', signal)).toEqual([
    { name: 'v', usedBytes: 5, timeMs: clock.now(), claim: { namespace: 'n', name: 'c' } },
  ]);
  expect(await manager.usage('unknown', signal)).toEqual([]);
});
