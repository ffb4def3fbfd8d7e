import { expect, test } from '@jest/globals';
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import { nodes, pods } from '../../../machinery/client/resource.ts';
import { World } from '../testdata/world.ts';
import { PodGcController } from './pod-gc-controller.ts';

const { namespace } = World;

test('pods go that no kubelet will end, as failed ones, and no others', async () => {
  const world = await World.open({ controllers: [context => new PodGcController(context)], nodeNames: [] });
  const { admin, clock } = world;
  const ready = (status: string) => ({ conditions: [{ type: 'Ready', status }] });
  for (const name of ['well', 'lost', 'off'])
    await admin.of(nodes).create({ metadata: { name }, spec: {}, status: ready('True') } as Node);
  const make = (name: string, nodeName?: string, finalizers: string[] = []) => {
    const spec = { nodeName, containers: [{ name: 'c', image: 'x' }], terminationGracePeriodSeconds: 600 };
    return admin.of(pods).create({ metadata: { namespace, name, finalizers }, spec } as Pod);
  };
  await make('stays', 'well');
  await make('ends', 'well');
  await make('lost', 'lost', ['x.io/seen']);
  await make('off-stays', 'off');
  await make('off-ends', 'off');
  await make('nowhere', undefined, ['x.io/seen']);
  for (const name of ['ends', 'off-ends', 'nowhere']) await admin.of(pods).delete({ namespace, name });
  await world.quiet();
  const left = async () => (await admin.of(pods).list({ namespace })).items.map(pod => pod.metadata.name).sort();
  expect(await left()).toEqual(['ends', 'lost', 'nowhere', 'off-ends', 'off-stays', 'stays']);
  const phase = async (name: string) => (await admin.of(pods).get({ namespace, name })).status;
  expect(await phase('nowhere')).toMatchObject({ phase: 'Failed' });

  const taints = [{ key: 'node.kubernetes.io/out-of-service', effect: 'NoExecute' }];
  await admin.of(nodes).patch({ name: 'off' }, { spec: { taints } }, { type: 'merge' });
  await world.quiet();
  expect(await left()).toContain('off-ends');
  await admin.of(nodes).patch({ name: 'off' }, { status: ready('Unknown') }, { type: 'merge', subresource: 'status' });
  await world.quiet();
  expect(await left()).toEqual(['ends', 'lost', 'nowhere', 'off-stays', 'stays']);

  await admin.of(nodes).delete({ name: 'lost' });
  await clock.advance(39_000);
  await world.quiet();
  expect(await phase('lost')).not.toMatchObject({ phase: 'Failed' });
  await clock.advance(2_000);
  await world.quiet();
  expect(await phase('lost')).toMatchObject({ phase: 'Failed', conditions: [{ reason: 'DeletionByPodGC' }] });
  await world.close();
});
