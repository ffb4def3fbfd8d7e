import { expect, test } from '@jest/globals';
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import { failedStatus, isOutOfService, NODE_GONE, planTerminated } from './plan.ts';

function ended(name: string, second: number, reason?: string): Pod {
  const creationTimestamp = `2026-01-01T00:00:0${second}Z`;
  return { metadata: { name, creationTimestamp }, spec: { containers: [] }, status: { phase: 'Failed', reason } };
}

test.each([
  { threshold: 2, names: ['late', 'first'] },
  { threshold: 1, names: ['late', 'first', 'second'] },
  { threshold: 4, names: [] },
  { threshold: 0, names: [] },
])('planTerminated() beyond $threshold: evicted ones first, then the oldest', ({ threshold, names }) => {
  const running = { ...ended('runs', 0), status: { phase: 'Running' } } as Pod;
  const all = [ended('second', 2), running, ended('late', 5, 'Evicted'), ended('first', 1), ended('third', 3)];
  expect(planTerminated(all, threshold).map(pod => pod.metadata.name)).toEqual(names);
});

test.each<[string, string[], string, boolean]>([
  ['off for good', ['node.kubernetes.io/out-of-service'], 'Unknown', true],
  ['said to be off, and well', ['node.kubernetes.io/out-of-service'], 'True', false],
  ['silent', ['node.kubernetes.io/unreachable'], 'Unknown', false],
])('isOutOfService() of a node that is %s', (_name, keys, status, expected) => {
  const taints = keys.map(key => ({ key, effect: 'NoExecute' }));
  const node: Node = { metadata: {}, spec: { taints }, status: { conditions: [{ type: 'Ready', status }] } } as Node;
  expect(isOutOfService(node)).toBe(expected);
});

test('failedStatus() of a pod that runs: failed, and why; of one that has ended: nothing', () => {
  const pod = { metadata: {}, spec: { containers: [] }, status: { phase: 'Running' } } as Pod;
  expect(failedStatus(pod, undefined, 0)).toEqual({ phase: 'Failed' });
  expect(failedStatus(pod, NODE_GONE, 0)).toMatchObject({
    phase: 'Failed',
    conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'DeletionByPodGC', message: NODE_GONE }],
  });
  expect(failedStatus(ended('a', 1), NODE_GONE, 0)).toBeUndefined();
});
