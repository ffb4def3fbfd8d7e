import { describe, expect, test } from '@jest/globals';
import type { JobSpec } from '../../../../proto/api/batch-v1.ts';
import {
  failed,
  indexed,
  job,
  plan,
  pod,
  reasonOf,
  released,
  succeeded,
  then,
  types,
} from '../testdata/job-objects.ts';
import { judgeFailure } from './failure-policy.ts';
import { TRACKING_FINALIZER } from './job-pod.ts';
import { podForJob } from './pod-for-job.ts';

describe('planJob() with indexes', () => {
  test('makes each index once', () => {
    const subject = indexed({ completions: 5, parallelism: 3 }, { completedIndexes: '0,2' });
    expect(plan(subject, [pod({ index: 3 })]).create.map(({ index }) => index)).toEqual([1, 4]);
  });

  test('counts indexes, and ends what an index has too many of or none needs', () => {
    const subject = indexed({ completions: 4, parallelism: 9 });
    const ready = pod({ index: 0, ready: true });
    const pods = [succeeded({ index: 1 }), ready, pod({ index: 0 }), pod({ index: 7 }), pod()];
    const made = plan(subject, pods);
    expect(made.status).toMatchObject({ completedIndexes: '1', succeeded: 1, uncountedTerminatedPods: {} });
    expect(made.remove.length).toBe(3);
    expect(made.remove).not.toContain(ready);
  });

  test('an index that succeeded twice counts once', () => {
    const subject = indexed({ completions: 4, parallelism: 4 });
    const made = plan(subject, [succeeded({ index: 1 }), succeeded({ index: 1 })]);
    expect(made.status.succeeded).toBe(1);
  });

  test('grows and shrinks: what lies beyond counts no more', () => {
    const status = { completedIndexes: '0,3,4', succeeded: 3 };
    const smaller = plan(indexed({ completions: 3, parallelism: 3 }, status), [pod({ index: 1 }), pod({ index: 3 })]);
    expect(smaller.status).toMatchObject({ completedIndexes: '0', succeeded: 1 });
    expect(smaller.remove.map(({ metadata }) => Object.values(metadata.annotations ?? {}))).toEqual([['3']]);
    const larger = plan(indexed({ completions: 7, parallelism: 7 }, status), []);
    expect(larger.create.map(({ index }) => index)).toEqual([1, 2, 5, 6]);
  });

  test('an index fails by itself, and its failed pod stays until another counts on', () => {
    const subject = indexed({ completions: 2, parallelism: 2, backoffLimitPerIndex: 1, backoffLimit: 99 });
    const once = failed({ index: 0, failures: 0, endedSecondsAgo: 20 });
    const first = plan(subject, [once, pod({ index: 1 })]);
    expect(first.create).toEqual([{ index: 0, failures: { counted: 1, ignored: 0 } }]);
    expect([first.release, first.status.failedIndexes]).toEqual([[], '']);
    const replaced = then(subject, first, [once, pod({ index: 0, failures: 1 }), pod({ index: 1 })]);
    expect(replaced.release).toEqual([once]);
    const twice = failed({ index: 0, failures: 1 });
    const second = then(subject, replaced, [released(once), twice, pod({ index: 1 })]);
    expect(second.release).toEqual([twice]);
    expect(second.status).toMatchObject({ failedIndexes: '0', failed: 1 });
    const third = then(subject, second, [succeeded({ index: 1 })]);
    expect(third.status.conditions?.[0]).toMatchObject({ type: 'FailureTarget', reason: 'FailedIndexes' });
  });

  test('each index waits by itself, and leaves its place to others', () => {
    const subject = indexed({ completions: 3, parallelism: 1, backoffLimitPerIndex: 5, backoffLimit: 99 });
    const made = plan(subject, [failed({ index: 0, failures: 0 })]);
    expect(made.create).toEqual([{ index: 1, failures: { counted: 0, ignored: 0 } }]);
    expect(plan(subject, [failed({ index: 0, failures: 2 }), pod({ index: 1 })]).afterMs).toBeUndefined();
    const last = indexed({ ...subject.spec, completions: 1 });
    expect(plan(last, [failed({ index: 0, failures: 1, ignored: 1 })])).toMatchObject({ create: [], afterMs: 35_000 });
  });

  test('too many failed indexes end the job', () => {
    const spec = { completions: 9, parallelism: 9, backoffLimitPerIndex: 0, maxFailedIndexes: 1, backoffLimit: 99 };
    const pods = [failed({ index: 0 }), failed({ index: 4 }), pod({ index: 1 })];
    const made = plan(indexed(spec), pods);
    expect([reasonOf(made), made.status.failedIndexes]).toEqual(['MaxFailedIndexesExceeded', '0,4']);
    expect(types(plan(indexed(spec), pods.slice(1)))).toEqual([]);
  });

  test.each([
    [{ succeededIndexes: '0-1', succeededCount: 1 }, '1', true],
    [{ succeededIndexes: '0-1' }, '1', false],
    [{ succeededIndexes: '0-1' }, '0,1,3', true],
    [{ succeededCount: 2 }, '2,3', true],
    [{ succeededCount: 3 }, '2,3', false],
    [{ succeededIndexes: '7' }, '2,3', false],
  ])('the success rule %j with %j done: %j', (rule, completedIndexes, isMet) => {
    const spec = { completions: 5, parallelism: 5, successPolicy: { rules: [rule] } };
    const made = plan(indexed(spec, { completedIndexes }), [pod({ index: 4 })]);
    expect(made.status.conditions?.[0]?.reason).toBe(isMet ? 'SuccessPolicy' : undefined);
    expect(made.delete.length).toBe(isMet ? 1 : 0);
    // It ends, and has not failed.
    expect(made.status.uncountedTerminatedPods).toEqual({});
  });

  test('a pod knows its index', () => {
    const made = podForJob(indexed({ completions: 2 }), { index: 1, failures: { counted: 2, ignored: 1 } }, 'j-1-x');
    expect(made.spec.hostname).toBe('j-1');
    expect(made.metadata).toMatchObject({
      generateName: 'j-1-',
      name: 'j-1-x',
      finalizers: [TRACKING_FINALIZER],
      labels: { 'batch.kubernetes.io/job-completion-index': '1' },
      annotations: {
        'batch.kubernetes.io/job-completion-index': '1',
        'batch.kubernetes.io/job-index-failure-count': '2',
        'batch.kubernetes.io/job-index-ignored-failure-count': '1',
      },
    });
    expect(made.spec.containers[0]?.env?.[0]?.name).toBe('JOB_COMPLETION_INDEX');
  });
});

describe('failure policies', () => {
  const policy = (...rules: NonNullable<JobSpec['podFailurePolicy']>['rules']) => ({ podFailurePolicy: { rules } });
  const exits = (action: string, operator: string, ...values: number[]) => ({
    action,
    onExitCodes: { operator, values },
  });
  const disrupted = { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget' }] };

  test('the first rule that is met decides', () => {
    const { spec } = job(policy(disrupted, exits('FailJob', 'In', 42)));
    const one = failed({ exitCode: 42 });
    expect(judgeFailure(spec, one)).toEqual({
      action: 'FailJob',
      message: `Container c for pod default/${one.metadata.name} failed with exit code 42 matching FailJob rule at index 1`,
    });
    expect(judgeFailure(spec, failed()).action).toBe('Count');
    const evicted = failed({ exitCode: 42, conditions: [{ type: 'DisruptionTarget', status: 'True' }] });
    expect(judgeFailure(spec, evicted)).toEqual({
      action: 'Ignore',
      message: `Pod default/${evicted.metadata.name} has condition DisruptionTarget matching Ignore rule at index 0`,
    });
  });

  test.each([
    ['NotIn', { action: 'FailJob', onExitCodes: { operator: 'NotIn', values: [1] } }, 2, 'FailJob'],
    ['NotIn, and it is', { action: 'FailJob', onExitCodes: { operator: 'NotIn', values: [2] } }, 2, 'Count'],
    [
      'another container',
      { action: 'FailJob', onExitCodes: { containerName: 'o', operator: 'In', values: [2] } },
      2,
      'Count',
    ],
    ['success', { action: 'FailJob', onExitCodes: { operator: 'NotIn', values: [1] } }, 0, 'Count'],
  ])('%s', (_name, rule, exitCode, want) => {
    expect(judgeFailure(job(policy(rule)).spec, failed({ exitCode })).action).toBe(want);
  });

  test('FailJob ends the job, Ignore does not count', () => {
    const spec = { completions: 2, parallelism: 2, backoffLimit: 0, ...policy(disrupted, exits('FailJob', 'In', 42)) };
    const ended = plan(job(spec), [failed({ exitCode: 42 }), pod()]);
    expect([reasonOf(ended), ended.delete.length, ended.policyActions]).toEqual(['PodFailurePolicy', 1, ['FailJob']]);
    const evicted = failed({ conditions: [{ type: 'DisruptionTarget', status: 'True' }] });
    const on = plan(job(spec), [evicted]);
    expect([types(on), on.release, on.policyActions]).toEqual([[], [evicted], ['Ignore']]);
    expect(on.status).toMatchObject({ failed: 0, uncountedTerminatedPods: {} });
  });

  test('FailIndex fails the index at once, and Ignore is remembered by the next pod', () => {
    const spec = { completions: 2, parallelism: 2, backoffLimitPerIndex: 3, backoffLimit: 99 };
    const subject = indexed({ ...spec, ...policy(exits('FailIndex', 'In', 7), exits('Ignore', 'In', 8)) });
    const ignored = failed({ index: 1, exitCode: 8, failures: 2, endedSecondsAgo: 99 });
    const made = plan(subject, [failed({ index: 0, exitCode: 7, failures: 0 }), ignored]);
    expect(made.status.failedIndexes).toBe('0');
    expect(made.create).toEqual([{ index: 1, failures: { counted: 2, ignored: 1 } }]);
  });
});
