import { expect, test } from '@jest/globals';
import type { AnyObject, Resource } from '../../../machinery/client/resource.ts';
import { OwnerGraph, type GraphNode } from './owner-graph.ts';

const resource = { group: '', version: 'v1', kind: 'Pod', resource: 'pods', namespaced: true } as Resource<AnyObject>;

function pod(name: string, owner: string, waits: boolean, blockOwnerDeletion = true): GraphNode {
  const ownerReferences = [{ apiVersion: 'v1', kind: 'Pod', name: owner, uid: owner, blockOwnerDeletion }];
  const going = { deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['foregroundDeletion'] };
  return { resource, metadata: { name, uid: name, ownerReferences, ...(waits ? going : {}) } };
}

test.each([
  { name: 'a circle that waits', links: [pod('a', 'c', true), pod('b', 'a', true), pod('c', 'b', true)], want: true },
  { name: 'a circle not yet', links: [pod('a', 'c', true), pod('b', 'a', false), pod('c', 'b', true)], want: false },
  {
    name: 'a circle where one does not block',
    links: [pod('a', 'c', true), pod('b', 'a', true, false), pod('c', 'b', true)],
    want: false,
  },
  { name: 'a chain', links: [pod('a', 'x', true), pod('b', 'a', true), pod('c', 'b', true)], want: false },
  { name: 'its own owner', links: [pod('a', 'a', true)], want: true },
])('waitsForItself() in $name: $want', ({ links, want }) => {
  const graph = new OwnerGraph();
  for (const link of links) graph.put(link);
  expect(graph.waitsForItself('a')).toBe(want);
});

test('dependents are known before their owner, and follow when their owners change', () => {
  const graph = new OwnerGraph();
  graph.put(pod('b', 'a', false));
  expect(graph.hasDependents('a')).toBe(true);
  expect(graph.isBlocked('a')).toBe(true);
  graph.put(pod('b', 'x', false));
  expect([graph.hasDependents('a'), graph.isBlocked('x')]).toEqual([false, true]);
  graph.remove('b');
  expect(graph.hasDependents('x')).toBe(false);
});
