import { expect, test } from '@jest/globals';
import type { Node } from '../../../proto/api/core-v1.ts';
import { EvictionPace } from './eviction-pace.ts';

function node(name: string, status: string, zone = 'a'): Node {
  const labels = { 'topology.kubernetes.io/zone': zone };
  return { metadata: { name, labels }, spec: {}, status: { conditions: [{ type: 'Ready', status }] } };
}

function paceOf(...all: Node[]): { pace: EvictionPace; changes: () => number } {
  let changes = 0;
  const pace = new EvictionPace(() => changes++);
  for (const each of all) pace.see(each, 0);
  return { pace, changes: () => changes };
}

test('one node of a zone after the other; zones do not wait for each other', () => {
  const [x, y, z] = [node('x', 'Unknown'), node('y', 'Unknown'), node('z', 'False', 'b')];
  const { pace } = paceOf(x, y, z, node('w', 'True'));
  expect([pace.take(x, 1000), pace.take(y, 1000), pace.take(z, 1000)]).toEqual([0, 10_000, 0]);
  expect([pace.take(y, 10_999), pace.take(y, 11_000)]).toEqual([1, 0]);
});

test('while no node of the cluster is ready nobody is evicted, and its end is told', () => {
  const [x, y] = [node('x', 'Unknown'), node('y', 'Unknown', 'b')];
  const { pace, changes } = paceOf(x, y);
  expect([pace.isAllDown, pace.take(x, 0)]).toEqual([true, Infinity]);
  const before = changes();
  pace.see(node('y', 'True', 'b'), 5);
  expect([pace.isAllDown, changes() - before, pace.take(x, 5)]).toEqual([false, 1, 0]);
});

test('a small zone that is down in part is left alone', () => {
  const lost = ['p', 'q', 'r'].map(name => node(name, 'Unknown'));
  const { pace } = paceOf(...lost, node('s', 'True'));
  expect(pace.take(lost[0] as Node, 0)).toBe(Infinity);
  pace.forget('p', 0);
  expect(pace.take(lost[1] as Node, 0)).toBe(0);
});
