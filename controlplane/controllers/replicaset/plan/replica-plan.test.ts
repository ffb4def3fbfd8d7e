import { expect, test } from '@jest/globals';
import type { ReplicaSet } from '../../../../proto/api/apps-v1.ts';
import type { Pod } from '../../../../proto/api/core-v1.ts';
import { planReplicas, planStatus } from './replica-plan.ts';

const NOW_MS = Date.parse('2026-01-01T00:10:00Z');

const set = (replicas: number, more: object = {}): ReplicaSet => ({
  metadata: { name: 'a', generation: 3 },
  spec: { replicas, template: { metadata: { labels: { app: 'x', hash: '1' } } }, ...more },
});

/** `ready`, `ready@5` (5 seconds ago), `ending`, `failed`, `pending`, `other` (ready, without the template's labels). */
function pod(text: string, i: number): Pod {
  const [what, seconds = '60'] = text.split('@');
  const isReady = what === 'ready' || what === 'other';
  const lastTransitionTime = new Date(NOW_MS - Number(seconds) * 1000).toISOString();
  return {
    metadata: {
      name: `p${i}`,
      uid: `p${i}`,
      labels: { app: 'x', ...(what === 'other' ? {} : { hash: '1' }) },
      ...(what?.startsWith('ending') === true ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
    },
    spec: { nodeName: 'n', containers: [] },
    status: {
      phase: what === 'failed' || what === 'endingFailed' ? 'Failed' : what === 'pending' ? 'Pending' : 'Running',
      conditions: [{ type: 'Ready', status: isReady ? 'True' : 'False', lastTransitionTime }],
    },
  };
}

test.each([
  { wish: 2, there: [], want: '+2' },
  { wish: 2, there: ['ready', 'ending', 'failed'], want: '+1' },
  { wish: 1, there: ['ready', 'pending'], want: '-p1' },
  { wish: 0, there: ['ready', 'failed'], want: '-p0' },
  { wish: 1, there: ['ready'], want: '' },
  { wish: 1000, there: [], want: '+500' },
])('planReplicas() $wish of $there: "$want"', ({ wish, there, want }) => {
  const pods = there.map(pod);
  const plan = planReplicas(set(wish), pods, () => pods, NOW_MS);
  const text = [plan.create > 0 ? `+${plan.create}` : '', ...plan.delete.map(({ metadata }) => `-${metadata.name}`)];
  expect(text.filter(word => word !== '').join(' ')).toBe(want);
});

test('planReplicas() leaves the pods of a set that goes alone', () => {
  const going = { ...set(5), metadata: { name: 'a', deletionTimestamp: '2026-01-01T00:00:00Z' } };
  expect(planReplicas(going, [], () => [], NOW_MS)).toEqual({ create: 0, delete: [] });
});

test('planStatus() counts each pod where it belongs, and says when the next is available', () => {
  const pods = ['ready', 'ready@3', 'other', 'pending', 'ending', 'endingFailed', 'failed'].map(pod);
  const { status, afterMs } = planStatus(set(4, { minReadySeconds: 10 }), pods, undefined, NOW_MS);
  expect(status).toEqual({
    replicas: 4,
    fullyLabeledReplicas: 3,
    readyReplicas: 3,
    availableReplicas: 2,
    terminatingReplicas: 1,
    observedGeneration: 3,
  });
  expect(afterMs).toBe(7000);
});

test('planStatus() tells of a failure once, and of its end', () => {
  const failure = { reason: 'FailedCreate', message: 'quota' } as const;
  const first = planStatus(set(1), [], failure, NOW_MS).status;
  expect(first.conditions).toMatchObject([{ type: 'ReplicaFailure', status: 'True', ...failure }]);
  const again = planStatus({ ...set(1), status: first }, [], { ...failure, message: 'other' }, NOW_MS + 5000).status;
  expect(again.conditions).toEqual(first.conditions);
  expect(planStatus({ ...set(1), status: first }, [], undefined, NOW_MS).status.conditions).toBeUndefined();
});
