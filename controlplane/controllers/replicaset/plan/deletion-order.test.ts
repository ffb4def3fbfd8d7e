import { expect, test } from '@jest/globals';
import type { Pod } from '../../../../proto/api/core-v1.ts';
import { inDeletionOrder } from './deletion-order.ts';

const NOW_MS = Date.parse('2026-01-01T10:00:00Z');

interface Look {
  node?: string;
  phase?: string;
  ready?: boolean;
  cost?: string;
  /** Ready, and made, so many seconds ago. */
  readySeconds?: number;
  ageSeconds?: number;
  restarts?: number;
  sidecarRestarts?: number;
}

const ago = (seconds: number): string => new Date(NOW_MS - seconds * 1000).toISOString();

function pod(uid: string, look: Look): Pod {
  const { node = 'n', phase = 'Running', ready = true, cost, readySeconds = 100, ageSeconds = 200 } = look;
  return {
    metadata: {
      name: uid,
      uid,
      creationTimestamp: ago(ageSeconds),
      ...(cost === undefined ? {} : { annotations: { 'controller.kubernetes.io/pod-deletion-cost': cost } }),
    },
    spec: { nodeName: node, containers: [], initContainers: [{ name: 's', image: 'x', restartPolicy: 'Always' }] },
    status: {
      phase,
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: ago(readySeconds) }],
      containerStatuses: [{ name: 'c', restartCount: look.restarts ?? 0 }],
      initContainerStatuses: [{ name: 's', restartCount: look.sidecarRestarts ?? 0 }],
    },
  } as unknown as Pod;
}

// In each row the first goes although all that is asked later speaks for the second.
test.each<{ rule: string; first: Look; second: Look }>([
  { rule: 'no node', first: { node: '' }, second: { phase: 'Pending', ready: false, cost: '-9' } },
  { rule: 'pending', first: { phase: 'Pending' }, second: { phase: 'Unknown', ready: false, cost: '-9' } },
  { rule: 'unknown', first: { phase: 'Unknown' }, second: { ready: false, cost: '-9' } },
  { rule: 'not ready', first: { ready: false, cost: '9' }, second: { cost: '-9' } },
  { rule: 'cheaper', first: { cost: '-5' }, second: { node: 'crowded', readySeconds: 1 } },
  { rule: 'any cost below none', first: { cost: '-1' }, second: {} },
  { rule: 'none below any cost', first: {}, second: { cost: '1', readySeconds: 1 } },
  { rule: 'a cost that is none', first: { cost: 'x', readySeconds: 1 }, second: {} },
  { rule: 'more on its node', first: { node: 'crowded' }, second: { readySeconds: 1, restarts: 9 } },
  { rule: 'ready for less long', first: { readySeconds: 10 }, second: { readySeconds: 1000, restarts: 9 } },
  { rule: 'restarted more', first: { restarts: 2 }, second: { restarts: 1, sidecarRestarts: 9, ageSeconds: 1 } },
  { rule: 'sidecar restarted more', first: { sidecarRestarts: 2 }, second: { sidecarRestarts: 1, ageSeconds: 1 } },
  { rule: 'younger', first: { ageSeconds: 10 }, second: { ageSeconds: 1000 } },
])('inDeletionOrder() takes first: $rule', ({ first, second }) => {
  const others = ['x', 'y'].map(uid => pod(uid, { node: 'crowded' }));
  const pods = [pod('b', second), pod('a', first)];
  expect(inDeletionOrder(pods, [...pods, ...others], NOW_MS).map(({ metadata }) => metadata.uid)).toEqual(['a', 'b']);
});

test('inDeletionOrder() goes by uid among pods that are about as old', () => {
  const pods = [pod('b', { readySeconds: 100 }), pod('a', { readySeconds: 130 })];
  expect(inDeletionOrder(pods, pods, NOW_MS).map(({ metadata }) => metadata.uid)).toEqual(['a', 'b']);
});
