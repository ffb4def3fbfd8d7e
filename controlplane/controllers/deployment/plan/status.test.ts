import { describe, expect, test } from '@jest/globals';
import type { Deployment, DeploymentStatus, ReplicaSet } from '../../../../proto/api/apps-v1.ts';
import { formatTime } from '../../../../machinery/meta/time.ts';
import { planStatus, type Progress, type StatusInput } from './status.ts';

const NOW_MS = Date.parse('2026-01-01T00:20:00Z');
const ago = (seconds: number): string => formatTime(NOW_MS - seconds * 1000);

const deployment = (status: DeploymentStatus = {}, spec: object = {}): Deployment => ({
  metadata: { name: 'web', generation: 2 },
  spec: { replicas: 3, progressDeadlineSeconds: 60, selector: {}, template: {}, ...spec },
  status: { observedGeneration: 2, ...status },
});

const set = (name: string, counts: ReplicaSet['status'], replicas = 3): ReplicaSet => ({
  metadata: { name },
  spec: { replicas },
  status: counts,
});
const whole = { replicas: 3, readyReplicas: 3, availableReplicas: 3 };
const half = { replicas: 3, readyReplicas: 2, availableReplicas: 2, terminatingReplicas: 1 };

const progressing = (reason: string, seconds: number, status = 'True') => ({
  type: 'Progressing',
  status,
  reason,
  message: 'as told',
  lastUpdateTime: ago(seconds),
  lastTransitionTime: ago(seconds + 5),
});

function plan(subject: Deployment, newSet: ReplicaSet | undefined, more: Partial<StatusInput> = {}) {
  return planStatus({
    deployment: subject,
    newSet,
    oldSets: [],
    progress: undefined,
    rollout: true,
    nowMs: NOW_MS,
    ...more,
  });
}

/** `Progressing=True NewReplicaSetAvailable: text`. */
function told(type: string, status: DeploymentStatus): string | undefined {
  const found = status.conditions?.find(condition => condition.type === type);
  return found === undefined ? undefined : `${found.status} ${found.reason}: ${found.message}`;
}

test('planStatus() sums the sets up', () => {
  const { status } = plan(deployment({ collisionCount: 4 }), set('new', half), {
    oldSets: [set('old', { ...half, replicas: 1 }, 1)],
  });
  expect(status).toMatchObject({
    observedGeneration: 2,
    replicas: 4,
    updatedReplicas: 3,
    readyReplicas: 4,
    availableReplicas: 4,
    unavailableReplicas: 0,
    terminatingReplicas: 2,
    collisionCount: 4,
  });
});

describe('planStatus(), available', () => {
  test.each([
    { available: 3, unavailable: 0, want: 'True MinimumReplicasAvailable: Deployment has minimum availability.' },
    { available: 2, unavailable: 1, want: 'True MinimumReplicasAvailable: Deployment has minimum availability.' },
    {
      available: 2,
      unavailable: 0,
      want: 'False MinimumReplicasUnavailable: Deployment does not have minimum availability.',
    },
  ])('$available of 3 with $unavailable that may be missing: $want', ({ available, unavailable, want }) => {
    const strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: unavailable } };
    const { status } = plan(deployment({}, { strategy }), set('new', { replicas: 3, availableReplicas: available }));
    expect(told('Available', status)).toBe(want);
  });
});

describe('planStatus(), progressing', () => {
  const stuck = deployment({ ...half, updatedReplicas: 3, conditions: [progressing('ReplicaSetUpdated', 61)] });
  const moving = deployment({ ...half, updatedReplicas: 3, conditions: [progressing('ReplicaSetUpdated', 30)] });
  const timedOut = deployment({
    ...half,
    updatedReplicas: 3,
    conditions: [progressing('ProgressDeadlineExceeded', 5, 'False')],
  });
  const done = deployment({ ...whole, updatedReplicas: 3, conditions: [progressing('NewReplicaSetAvailable', 500)] });

  test.each<{
    name: string;
    subject: Deployment;
    newSet?: ReplicaSet;
    progress?: Progress;
    rollout?: boolean;
    want?: string;
  }>([
    {
      name: 'made',
      subject: deployment(),
      newSet: set('new', { replicas: 0 }),
      progress: { kind: 'created', set: 'new' },
      want: 'True NewReplicaSetCreated: Created new replica set "new"',
    },
    {
      name: 'found',
      subject: deployment(),
      newSet: set('new', { replicas: 0 }),
      progress: { kind: 'found', set: 'new' },
      want: 'True FoundNewReplicaSet: Found new replica set "new"',
    },
    {
      name: 'not made',
      subject: deployment(),
      progress: { kind: 'failedCreate', set: 'new', why: 'quota' },
      want: 'False ReplicaSetCreateError: Failed to create new replica set "new": quota',
    },
    {
      name: 'more are ready',
      subject: deployment({ readyReplicas: 1 }),
      newSet: set('new', half),
      want: 'True ReplicaSetUpdated: ReplicaSet "new" is progressing.',
    },
    {
      name: 'through',
      subject: moving,
      newSet: set('new', whole),
      want: 'True NewReplicaSetAvailable: ReplicaSet "new" has successfully progressed.',
    },
    { name: 'within the deadline', subject: moving, newSet: set('new', half), want: 'True ReplicaSetUpdated: as told' },
    {
      name: 'past the deadline',
      subject: stuck,
      newSet: set('new', half),
      want: 'False ProgressDeadlineExceeded: ReplicaSet "new" has timed out progressing.',
    },
    {
      name: 'past it while only the size changed',
      subject: stuck,
      newSet: set('new', half),
      rollout: false,
      want: 'True ReplicaSetUpdated: as told',
    },
    {
      name: 'pods fail after it was through',
      subject: done,
      newSet: set('new', half),
      want: 'True NewReplicaSetAvailable: as told',
    },
    {
      name: 'paused',
      subject: stuck,
      newSet: set('new', half),
      progress: { kind: 'paused' },
      rollout: false,
      want: 'Unknown DeploymentPaused: Deployment is paused',
    },
    {
      name: 'paused after it got stuck',
      subject: timedOut,
      newSet: set('new', half),
      progress: { kind: 'paused' },
      rollout: false,
      want: 'False ProgressDeadlineExceeded: as told',
    },
    {
      name: 'resumed',
      subject: deployment({
        ...half,
        updatedReplicas: 3,
        conditions: [progressing('DeploymentPaused', 500, 'Unknown')],
      }),
      newSet: set('new', half),
      progress: { kind: 'resumed' },
      want: 'Unknown DeploymentResumed: Deployment is resumed',
    },
    {
      name: 'no deadline',
      subject: deployment(
        { conditions: [progressing('ReplicaSetUpdated', 5)] },
        { progressDeadlineSeconds: undefined },
      ),
      newSet: set('new', half),
    },
  ])('$name', ({ subject, newSet, progress, rollout = true, want }) => {
    expect(told('Progressing', plan(subject, newSet, { progress, rollout }).status)).toBe(want);
  });

  test('progress moves the deadline', () => {
    const before = deployment({ readyReplicas: 1, conditions: [progressing('ReplicaSetUpdated', 50)] });
    const { status, afterMs } = plan(before, set('new', half));
    expect(status.conditions?.find(({ type }) => type === 'Progressing')).toMatchObject({
      lastUpdateTime: ago(0),
      lastTransitionTime: ago(55),
    });
    expect(afterMs).toBe(61_000);
  });

  test('what is through, too late or paused waits for no deadline', () => {
    expect(plan(done, set('new', half)).afterMs).toBeUndefined();
    expect(plan(timedOut, set('new', half)).afterMs).toBeUndefined();
    expect(
      plan({ ...moving, spec: { ...moving.spec, paused: true } } as Deployment, set('new', half)).afterMs,
    ).toBeUndefined();
    expect(plan(moving, set('new', half)).afterMs).toBe(31_000);
  });
});

test('planStatus() passes on why a set cannot make its pods, and that it can again', () => {
  const failure = {
    type: 'ReplicaFailure',
    status: 'True',
    reason: 'FailedCreate',
    message: 'quota',
    lastTransitionTime: ago(9),
  };
  const { status } = plan(deployment(), set('new', { replicas: 0, conditions: [failure] }));
  expect(status.conditions).toContainEqual({ ...failure, lastUpdateTime: ago(9) });
  const { status: after } = plan(deployment(status), set('new', whole));
  expect(told('ReplicaFailure', after)).toBeUndefined();
});
