/** The controller alone, on the real API server: hints by zone as they come and go. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { eventually } from '../../../machinery/process/testdata/eventually.ts';
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import { endpointSlices, nodes, pods, serviceAccounts, services } from '../../../machinery/client/resource.ts';
import { OneController } from '../testdata/one-controller.ts';
import { EndpointSliceController } from './endpointslice-controller.ts';

const namespace = 'default';
const NOW = '2026-01-01T00:00:00Z';
let one: OneController;

beforeAll(async () => {
  one = await OneController.serve();
  const { client } = one;
  await client.of(serviceAccounts).create({ metadata: { namespace, name: 'default' } });
  for (const zone of ['a', 'b']) await client.of(nodes).create(node(zone, '2'));
  for (const [i, zone] of [...'aabb'].entries()) {
    const containers = [{ name: 'c', image: 'x' }];
    const made = await client.of(pods).create({
      metadata: { namespace, name: `p${i}`, labels: { app: 'web' } },
      spec: { nodeName: zone, containers },
    });
    const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: NOW }];
    const status = { phase: 'Running', podIPs: [{ ip: `10.0.0.${i + 1}` }], podIP: `10.0.0.${i + 1}`, conditions };
    await client.of(pods).updateStatus({ ...made, status } as Pod);
  }
  one.run(context => new EndpointSliceController(context));
});

afterAll(() => one.close());

const node = (zone: string, cpu: string): Node => ({
  metadata: { name: zone, labels: { 'topology.kubernetes.io/zone': zone } },
  spec: {},
  status: { allocatable: { cpu }, conditions: [{ type: 'Ready', status: 'True' }] },
});

const hints = async (): Promise<string | undefined> => {
  const { items } = await one.client.of(endpointSlices).list({ namespace, labelSelector: 'app=web' });
  const endpoints = items.flatMap(slice => slice.endpoints ?? []);
  if (endpoints.length < 4) return undefined;
  return endpoints.map(({ hints: to }) => to?.forZones?.map(({ name }) => name).join('+') ?? '-').join('');
};
const sorted = (text: string | undefined): string | undefined => text && [...text].sort().join('');
const become = (want: string): Promise<true> =>
  eventually(`hints ${want}`, async () => sorted(await hints()) === want || undefined);

test('hints follow the annotation and the processors of zones, and events tell of it', async () => {
  const ref = { namespace, name: 'web' };
  const annotations = { 'service.kubernetes.io/topology-mode': 'Auto' };
  await one.client.of(services).create({
    metadata: { ...ref, labels: { app: 'web' }, annotations },
    spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
  });
  await become('aabb');
  expect(one.told).toEqual(['TopologyAwareHintsEnabled']);
  const { items } = await one.client.of(endpointSlices).list({ namespace, labelSelector: 'app=web' });
  expect(items[0]?.metadata.annotations).toHaveProperty(['endpoints.kubernetes.io/last-change-trigger-time']);
  // A share that fits no more.
  const { status } = node('b', '6');
  await one.client.of(nodes).patch({ name: 'b' }, { status }, { type: 'merge', subresource: 'status' });
  await become('abbb');
  // No share is known any more; it comes back with what is known.
  const label = (zone: string | null) =>
    one.client
      .of(nodes)
      .patch({ name: 'a' }, { metadata: { labels: { 'topology.kubernetes.io/zone': zone } } }, { type: 'merge' });
  await label(null);
  await become('----');
  expect(one.told).toContain('TopologyAwareHintsDisabled');
  await label('a');
  await become('abbb');
  const off = { metadata: { annotations: { 'service.kubernetes.io/topology-mode': null } } };
  await one.client.of(services).patch(ref, off, { type: 'merge' });
  await become('----');
  await one.client.of(services).patch(ref, { spec: { trafficDistribution: 'PreferSameZone' } }, { type: 'merge' });
  await become('aabb');
});
