/** The controller alone, on the real API server. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { eventually } from '../../../machinery/process/testdata/eventually.ts';
import type { Node } from '../../../proto/api/core-v1.ts';
import { nodes } from '../../../machinery/client/resource.ts';
import { OneController } from '../testdata/one-controller.ts';
import { NodeCidrController } from './node-cidr-controller.ts';

let one: OneController;
const api = () => one.client.of(nodes);

beforeAll(async () => {
  one = await OneController.serve();
  await make('old', { podCIDR: '10.9.1.0/24', podCIDRs: ['10.9.1.0/24', 'fd00:9:0:1::/64'] });
  one.run(context => new NodeCidrController(context, { clusterCidrs: ['10.9.0.0/22', 'fd00:9::/62'] }));
});

afterAll(() => one.close());

const make = (name: string, spec: Node['spec'] = {}) => api().create({ metadata: { name }, spec });
const rangesOf = (name: string): Promise<readonly string[]> =>
  eventually(`a range for ${name}`, async () => (await api().get({ name })).spec?.podCIDRs);

test('nodes that come at once get ranges of both families that nobody else has', async () => {
  await Promise.all([make('a'), make('b'), make('c')]);
  const all = await Promise.all(['old', 'a', 'b', 'c'].map(rangesOf));
  expect(all.map(([first]) => first).sort()).toEqual(['10.9.0.0/24', '10.9.1.0/24', '10.9.2.0/24', '10.9.3.0/24']);
  expect(all.map(([, second]) => second).sort()).toEqual([
    'fd00:9:0:1::/64',
    'fd00:9:0:2::/64',
    'fd00:9:0:3::/64',
    'fd00:9::/64',
  ]);
});

test('a node for which there is none is told of, and gets what another one leaves', async () => {
  await make('late');
  await eventually('told', () => one.told.includes('CIDRNotAvailable') || undefined);
  const freed = await rangesOf('b');
  await api().delete({ name: 'b' });
  expect(await rangesOf('late')).toEqual(freed);
});
