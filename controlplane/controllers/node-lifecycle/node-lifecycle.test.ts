/** Nodes fall silent and come back, on the real API server, in a world whose time passes when told to. */
import { expect, test } from '@jest/globals';
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import { leases, namespaces, nodes, pods } from '../../../machinery/client/resource.ts';
import { formatTime } from '../../../machinery/meta/time.ts';
import { World } from '../testdata/world.ts';
import { NodeLifecycleController } from './node-lifecycle-controller.ts';
import { TaintEvictionController } from './taint-eviction-controller.ts';

const LEASES = 'kube-node-lease';
const controllers = [
  (context: ConstructorParameters<typeof NodeLifecycleController>[0]) => new NodeLifecycleController(context),
  (context: ConstructorParameters<typeof TaintEvictionController>[0]) => new TaintEvictionController(context),
];

/** A world of ready nodes, each with a pod that tolerates 300 s of its absence. */
async function open(...names: string[]): Promise<World> {
  const world = await World.open({ controllers, nodeNames: [] });
  const ready = { type: 'Ready', status: 'True', lastHeartbeatTime: formatTime(world.clock.now()) };
  await world.admin
    .of(namespaces)
    .create({ metadata: { name: LEASES }, spec: {} })
    .catch(() => undefined);
  for (const name of names) {
    await world.admin.of(nodes).create({ metadata: { name }, spec: {}, status: { conditions: [ready] } } as Node);
    const spec = { holderIdentity: name, leaseDurationSeconds: 40 };
    await world.admin.of(leases).create({ metadata: { namespace: LEASES, name }, spec });
    const pod = { nodeName: name, containers: [{ name: 'c', image: 'x' }], terminationGracePeriodSeconds: 0 };
    await world.admin.of(pods).create({ metadata: { namespace: World.namespace, name }, spec: pod } as Pod);
    const conditions = [{ type: 'Ready', status: 'True' }];
    await world.admin
      .of(pods)
      .patch(
        { namespace: World.namespace, name },
        { status: { phase: 'Running', conditions } },
        { type: 'merge', subresource: 'status' },
      );
  }
  await world.quiet();
  return world;
}

async function pass(world: World, seconds: number, ...alive: string[]): Promise<void> {
  for (let left = seconds; left > 0; left -= 5) {
    for (const name of alive) {
      const renewTime = new Date(world.clock.now()).toISOString().replace('Z', '000Z');
      await world.admin.of(leases).patch({ namespace: LEASES, name }, { spec: { renewTime } }, { type: 'merge' });
    }
    await world.quiet();
    await world.clock.advance(Math.min(5, left) * 1000);
    await world.quiet();
  }
}

async function evicting(world: World): Promise<string[]> {
  const { items } = await world.admin.of(nodes).list();
  const keys = items.flatMap(({ metadata, spec }) =>
    (spec.taints ?? []).filter(t => t.effect === 'NoExecute').map(t => `${metadata.name} ${t.key.split('/')[1]}`),
  );
  return keys.sort();
}

async function alive(world: World): Promise<string[]> {
  const { items } = await world.admin.of(pods).list({ namespace: World.namespace });
  return items
    .filter(pod => pod.metadata.deletionTimestamp === undefined)
    .map(pod => pod.metadata.name ?? '')
    .sort();
}

test('a silent node is Unknown after its time, its pods are not ready, and leave when they tolerate it no longer', async () => {
  const world = await open('a', 'b');
  await pass(world, 45, 'a');
  expect(await evicting(world)).toEqual([]);
  await pass(world, 15, 'a');
  expect(await evicting(world)).toEqual(['b unreachable']);
  const node = await world.admin.of(nodes).get({ name: 'b' });
  expect(node.status?.conditions?.find(c => c.type === 'Ready')).toMatchObject({
    status: 'Unknown',
    reason: 'NodeStatusUnknown',
  });
  const pod = await world.admin.of(pods).get({ namespace: World.namespace, name: 'b' });
  expect(pod.status?.conditions?.find(c => c.type === 'Ready')?.status).toBe('False');
  await pass(world, 290, 'a');
  expect(await alive(world)).toEqual(['a', 'b']);
  await pass(world, 15, 'a');
  expect(await alive(world)).toEqual(['a']);
  expect(world.told).toEqual(expect.arrayContaining(['RegisteredNode', 'NodeNotReady', 'TaintManagerEviction']));
  await world.close();
});

test('a node that is back in time keeps its pods; a jump of the clock and a restart of ours take nobody’s time', async () => {
  const world = await open('a', 'b');
  await pass(world, 60, 'a');
  expect(await evicting(world)).toEqual(['b unreachable']);
  world.clock.jump(3_600_000);
  await pass(world, 100, 'a');
  await world.restart();
  await pass(world, 250, 'a');
  expect(await alive(world)).toEqual(['a', 'b']);
  const status = { conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: formatTime(world.clock.now()) }] };
  await world.admin.of(nodes).patch({ name: 'b' }, { status }, { type: 'strategic', subresource: 'status' });
  await pass(world, 400, 'a', 'b');
  expect(await evicting(world)).toEqual([]);
  expect(await alive(world)).toEqual(['a', 'b']);
  await world.close();
});

test('while no node is heard of nobody is evicted; one that comes back makes the others go, one after the other', async () => {
  const world = await open('a', 'b', 'c');
  await pass(world, 400);
  expect(await evicting(world)).toEqual([]);
  expect(await alive(world)).toEqual(['a', 'b', 'c']);
  const status = { conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: formatTime(world.clock.now()) }] };
  await world.admin.of(nodes).patch({ name: 'a' }, { status }, { type: 'strategic', subresource: 'status' });
  await pass(world, 6, 'a');
  expect((await evicting(world)).length).toBe(1);
  await pass(world, 10, 'a');
  expect(await evicting(world)).toEqual(['b unreachable', 'c unreachable']);
  await world.close();
});
