import { expect, test } from '@jest/globals';
import type { Node } from '../../../../proto/api/core-v1.ts';
import { evictionsPerSecond, zoneOf, zoneState } from './zones.ts';

test.each([
  { name: 'all well', ready: 3, notReady: 0, state: 'normal', rate: 0.1 },
  { name: 'two of three are not', ready: 1, notReady: 2, state: 'normal', rate: 0.1 },
  { name: 'most of a small zone', ready: 2, notReady: 3, state: 'partial', rate: 0 },
  { name: 'just not most', ready: 46, notReady: 54, state: 'normal', rate: 0.1 },
  { name: 'most of a large zone', ready: 45, notReady: 55, state: 'partial', rate: 0.01 },
  { name: 'all', ready: 0, notReady: 5, state: 'full', rate: 0.1 },
  { name: 'no node', ready: 0, notReady: 0, state: 'normal', rate: 0.1 },
])('zoneState() and evictionsPerSecond(): $name', ({ ready, notReady, state, rate }) => {
  expect(zoneState({ ready, notReady })).toBe(state);
  expect(evictionsPerSecond({ ready, notReady })).toBe(rate);
});

test.each<[Record<string, string> | undefined, string]>([
  [undefined, ''],
  [{ 'topology.kubernetes.io/zone': 'a' }, ':a'],
  [{ 'topology.kubernetes.io/region': 'r', 'failure-domain.beta.kubernetes.io/zone': 'a' }, 'r:a'],
])('zoneOf(%j) is %s', (labels, zone) => {
  expect(zoneOf({ metadata: { labels } } as Node)).toBe(zone);
});
