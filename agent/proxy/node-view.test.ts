import { expect, test } from '@jest/globals';
import { nodes } from '../../machinery/client/resource.ts';
import type { Node } from '../../proto/api/core-v1.ts';
import { NodeView } from './node-view.ts';
import { ManualInformer } from './testdata/objects.ts';

test('NodeView follows the zone of its own node alone', () => {
  const informer = new ManualInformer<Node>(nodes);
  const view = new NodeView({
    nodes: informer,
    nodeName: 'a',
    clusterCIDR: undefined,
    localServiceIPs: ['10.96.0.10'],
  });
  const seen: (string | undefined)[] = [];
  view.follow(() => seen.push(view.current().zone));
  const node = (name: string, zone: string) => ({
    metadata: { name, labels: { 'topology.kubernetes.io/zone': zone } },
    spec: {},
  });
  informer.set(node('b', 'z1'));
  informer.set(node('a', 'z1'));
  informer.set(node('a', 'z1'));
  informer.set(node('a', 'z2'));
  expect(seen).toEqual(['z1', 'z2']);
  expect(view.current().localServiceIPs.has('10.96.0.10')).toBe(true);
});
