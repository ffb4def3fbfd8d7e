/** Claims and the scheduler on the real API server; the volume binder and provisioners are played by hand. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { eventually } from '../../machinery/process/testdata/eventually.ts';
import type { PersistentVolumeClaim, PodSpec } from '../../proto/api/core-v1.ts';
import {
  nodes,
  persistentVolumeClaims,
  persistentVolumes,
  pods,
  storageClasses,
} from '../../machinery/client/resource.ts';
import { BIND_COMPLETED, SELECTED_NODE } from '../../machinery/meta/volume-annotations.ts';
import type { WaitingPods } from './framework/waiting-pods.ts';
import { defaultProfile } from './plugins/default-profile.ts';
import { pluginRegistry } from './plugins/registry.ts';
import { OneScheduler } from './testdata/one-scheduler.ts';

let one: OneScheduler;
beforeEach(async () => {
  one = await OneScheduler.serve();
  const delayed = { volumeBindingMode: 'WaitForFirstConsumer' };
  const { client } = one;
  await client.of(storageClasses).create({ metadata: { name: 'made' }, provisioner: 'x.example', ...delayed });
  await client
    .of(storageClasses)
    .create({ metadata: { name: 'there' }, provisioner: 'kubernetes.io/no-provisioner', ...delayed });
});
afterEach(() => one.close());

const accessModes = ['ReadWriteOnce'];
const using = (claimName: string, more: Partial<PodSpec> = {}): Partial<PodSpec> => ({
  volumes: [{ name: 'v', persistentVolumeClaim: { claimName } }],
  ...more,
});

async function claim(name: string, storageClassName: string, modes = accessModes): Promise<void> {
  const spec = { accessModes: modes, storageClassName, resources: { requests: { storage: '1Gi' } } };
  await one.client.of(persistentVolumeClaims).create({ metadata: { name, namespace: one.namespace }, spec });
}

async function volume(name: string, node: string, storageClassName: string): Promise<void> {
  const required = {
    nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [node] }] }],
  };
  const made = await one.client.of(persistentVolumes).create({
    metadata: { name },
    spec: {
      accessModes,
      capacity: { storage: '1Gi' },
      storageClassName,
      local: { path: '/x' },
      nodeAffinity: { required },
    },
  });
  await one.client.of(persistentVolumes).updateStatus({ ...made, status: { phase: 'Available' } });
}

const current = (name: string): Promise<PersistentVolumeClaim> =>
  one.client.of(persistentVolumeClaims).get({ namespace: one.namespace, name });

const selected = (name: string): Promise<string> =>
  eventually(`a node for ${name}`, async () => (await current(name)).metadata.annotations?.[SELECTED_NODE]);

/** As the volume binder does once a volume is the claim's. */
async function bind(name: string, volumeName: string): Promise<void> {
  const found = await current(name);
  const annotations = { ...found.metadata.annotations, [BIND_COMPLETED]: 'yes' };
  await one.client
    .of(persistentVolumeClaims)
    .update({ ...found, metadata: { ...found.metadata, annotations }, spec: { ...found.spec, volumeName } });
}

const bound = (name: string): Promise<string> => eventually(`${name} is bound`, () => one.nodeOf(name));

test('a volume is made where its pod is to run; a provisioner that cannot gives the node back, and another try is made', async () => {
  await one.node('a');
  one.run();
  await claim('c', 'made');
  await one.pod('p', '1', using('c'));
  expect(await selected('c')).toBe('a');
  expect(await one.nodeOf('p')).toBe('');
  const ref = { namespace: one.namespace, name: 'c' };
  const none = { metadata: { annotations: { [SELECTED_NODE]: null, other: 'x' } } };
  await one.client.of(persistentVolumeClaims).patch(ref, none, { type: 'merge' });
  await eventually('the pod to hear of it', () =>
    one.told.find(each => each.includes('provisioning failed for PVC "c"')),
  );
  expect(await selected('c')).toBe('a');
  await volume('v', 'a', 'made');
  await bind('c', 'v');
  expect(await bound('p')).toBe('a');
});

test('a node that takes no local-path volumes is not chosen for one, until it does', async () => {
  await one.node('a');
  const folder = { provisioner: 'k8ts.io/local-path', volumeBindingMode: 'WaitForFirstConsumer' };
  await one.client.of(storageClasses).create({ metadata: { name: 'folder' }, ...folder });
  one.run();
  await claim('c', 'folder');
  await one.pod('p', '1', using('c'));
  await eventually('the pod to hear of it', () =>
    one.told.find(each => each.includes('node(s) take no local-path volumes')),
  );
  const annotations = { 'local-path.k8ts.io/root': '/data' };
  await one.client.of(nodes).patch({ name: 'a' }, { metadata: { annotations } }, { type: 'merge' });
  expect(await selected('c')).toBe('a');
});

test('of volumes that are there each claim gets its own, on the node that reaches it; two pods of one claim agree', async () => {
  await one.node('a');
  await one.node('b');
  for (const [name, node] of [
    ['v1', 'a'],
    ['v2', 'b'],
  ] as const)
    await volume(name, node, 'there');
  for (const name of ['c1', 'c2']) await claim(name, 'there');
  one.run();
  await one.pod('p1', '1', using('c1'));
  await one.pod('p2', '1', using('c2'));
  await one.pod('also', '1', using('c1'));
  const owners = await eventually('both volumes to be given away', async () => {
    const { items } = await one.client.of(persistentVolumes).list();
    const refs = items.map(({ metadata, spec }) => [spec.claimRef?.name, metadata.name] as const);
    return refs.every(([name]) => name !== undefined) ? new Map(refs) : undefined;
  });
  expect([...owners.keys()].sort()).toEqual(['c1', 'c2']);
  for (const [name, volumeName] of owners) await bind(name ?? '', volumeName ?? '');
  const node = (name: string): string => (owners.get(name) === 'v1' ? 'a' : 'b');
  expect(await Promise.all(['p1', 'p2', 'also'].map(bound))).toEqual([node('c1'), node('c2'), node('c1')]);
});

test('a claim for one pod alone goes to the more important one', async () => {
  await one.node('a');
  one.run();
  await claim('c', 'there', ['ReadWriteOncePod']);
  await one.client.of(persistentVolumes).create({
    metadata: { name: 'v' },
    spec: {
      accessModes: ['ReadWriteOncePod'],
      capacity: { storage: '1Gi' },
      storageClassName: 'there',
      csi: { driver: 'd', volumeHandle: 'h' },
    },
  });
  await bind('c', 'v');
  await one.pod('first', '1', using('c'));
  expect(await bound('first')).toBe('a');
  await one.pod('second', '1', using('c'));
  const why = await eventually('the second to wait', () => one.waitsFor('second'));
  expect(why).toContain('node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode');
  await one.pod('important', '1', using('c', { priorityClassName: 'system-node-critical' }));
  await eventually('the first to go', async () => {
    const { items } = await one.client.of(pods).list({ namespace: one.namespace });
    return items.some(({ metadata }) => metadata.name === 'first' && metadata.deletionTimestamp === undefined)
      ? undefined
      : true;
  });
});

test.each(['is turned back', 'is deleted'])(
  'a volume that was set aside for a pod which %s on its way is another’s',
  async what => {
    let waiting: WaitingPods | undefined;
    const registry = new Map(pluginRegistry).set('Holds', (_args, { waitingPods }) => {
      waiting = waitingPods;
      return {
        name: 'Holds',
        permit: (_state, { metadata }) => (metadata.name === 'held' ? { waitMs: 600_000 } : 'allow'),
        eventsToRegister: () => [],
      };
    });
    await one.node('a');
    await volume('only', 'a', 'there');
    one.run({
      registry,
      profiles: [{ ...defaultProfile, multiPoint: [...defaultProfile.multiPoint, { name: 'Holds' }] }],
    });
    for (const name of ['c1', 'c2']) await claim(name, 'there');
    await one.pod('held', '1', using('c1'));
    const held = await eventually('it waits for permission', () => waiting?.list()[0]);
    await one.pod('second', '1', using('c2'));
    expect(await eventually('second waits', () => one.waitsFor('second'))).toContain('persistent volumes to bind');
    if (what === 'is deleted') await one.client.of(pods).delete({ namespace: one.namespace, name: 'held' });
    else held.reject('Holds', 'not today');
    const owner = await eventually('the volume is a claim’s', async () => {
      const { spec } = await one.client.of(persistentVolumes).get({ name: 'only' });
      return spec.claimRef?.name;
    });
    expect(owner).toBe('c2');
  },
);
