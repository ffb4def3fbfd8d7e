import { expect, test } from '@jest/globals';
import { nodes } from '../../machinery/client/resource.ts';
import type { Node } from '../../proto/api/core-v1.ts';
import { NodeView } from './node-view.ts';
import { ManualInformer } from './testdata/objects.ts';

const node = (name: string, zone: string, addresses: string[] = []): Node => ({
  metadata: { name, labels: { 'topology.kubernetes.io/zone': zone } },
  spec: {},
  status: { addresses: addresses.map(address => ({ type: 'InternalIP', address })) },
});

function view(options: { nodePortAddresses?: string[]; family?: 'IPv4' | 'IPv6' } = {}) {
  const informer = new ManualInformer<Node>(nodes);
  let localServiceIPs = ['10.96.0.10', 'fd00::a'];
  const it = new NodeView({
    nodes: informer,
    nodeName: 'a',
    family: 'IPv4',
    clusterCIDR: undefined,
    localServiceIPs: () => localServiceIPs,
    ...options,
  });
  return { informer, it, setLocal: (ips: string[]) => (localServiceIPs = ips) };
}

test('NodeView follows the zone of its own node and the addresses that DNS answers on', () => {
  const { informer, it, setLocal } = view();
  const seen: (string | undefined)[] = [];
  it.follow(() => seen.push(it.current().zone));
  informer.set(node('b', 'z1'));
  informer.set(node('a', 'z1'));
  informer.set(node('a', 'z1'));
  informer.set(node('a', 'z2'));
  expect(seen).toEqual(['z1', 'z2']);
  expect([...it.current().localServiceIPs]).toEqual(['10.96.0.10']);
  setLocal([]);
  it.look();
  expect(seen).toHaveLength(3);
  expect(it.current().localServiceIPs.size).toBe(0);
});

test('NodeView resolves where node ports answer, a family at a time', () => {
  expect(view().it.current().nodePortAddresses).toBe('all');
  const loopback = ['127.0.0.0/8', '198.51.100.0/24'];
  expect(view({ nodePortAddresses: loopback }).it.current().nodePortAddresses).toEqual(['127.0.0.1']);
  expect(view({ nodePortAddresses: ['198.51.100.0/24'] }).it.current().nodePortAddresses).toEqual([]);
  const primary = view({ nodePortAddresses: ['primary'], family: 'IPv6' });
  primary.it.follow(() => undefined);
  primary.informer.set(node('a', 'z', ['192.0.2.1', 'fd00::1']));
  expect(primary.it.current().nodePortAddresses).toEqual(['fd00::1']);
});
