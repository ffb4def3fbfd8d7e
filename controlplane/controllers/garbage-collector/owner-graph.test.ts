import { expect, test } from '@jest/globals';
import type { AnyObject, Resource } from '../../../machinery/client/resource.ts';
import { OwnerGraph } from './owner-graph.ts';

const PODS = { group: '', version: 'v1', kind: 'Pod', resource: 'pods', namespaced: true } as Resource<AnyObject>;

function pod(name: string, owner: string, waits: boolean): AnyObject {
  return {
    metadata: {
      name,
      uid: name,
      ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: owner, uid: owner, blockOwnerDeletion: true }],
      ...(waits ? { deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['foregroundDeletion'] } : {}),
    },
  };
}

test.each([
  { name: 'a circle that waits', links: [pod('a', 'c', true), pod('b', 'a', true), pod('c', 'b', true)], want: true },
  { name: 'a circle not yet', links: [pod('a', 'c', true), pod('b', 'a', false), pod('c', 'b', true)], want: false },
  { name: 'a chain', links: [pod('a', 'x', true), pod('b', 'a', true), pod('c', 'b', true)], want: false },
  { name: 'its own owner', links: [pod('a', 'a', true)], want: true },
])('waitsForItself() in $name: $want', ({ links, want }) => {
  const graph = new OwnerGraph();
  for (const link of links) graph.put(PODS, link);
  expect(graph.waitsForItself('a')).toBe(want);
});
