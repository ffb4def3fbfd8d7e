import { describe, expect, test } from '@jest/globals';
import type { Job, JobSpec, JobStatus } from '../../../../proto/api/batch-v1.ts';
import type { Pod } from '../../../../proto/api/core-v1.ts';
import { formatTime } from '../../../../machinery/meta/time.ts';
import { formatIndexes, parseIndexes } from './indexes.ts';
import { jobPod, judgeFailure, TRACKING_FINALIZER } from './job-pods.ts';
import { planJob } from './job-plan.ts';

const NOW_MS = Date.parse('2026-01-01T01:00:00Z');
const agoSeconds = (seconds: number): string => formatTime(NOW_MS - seconds * 1000);

const job = (spec: Partial<JobSpec>, status: Partial<JobStatus> = {}): Job => ({
  metadata: { name: 'j', namespace: 'default', uid: 'u' },
  spec: { parallelism: 1, template: { spec: { containers: [{ name: 'c' }], restartPolicy: 'Never' } }, ...spec },
  status: { startTime: agoSeconds(100), ...status },
});
const indexed = (spec: Partial<JobSpec>, status: Partial<JobStatus> = {}): Job =>
  job({ completionMode: 'Indexed', ...spec }, status);

interface PodOptions {
  phase?: string;
  tracked?: boolean;
  index?: number;
  failures?: number;
  exitCode?: number;
  deleting?: boolean;
  restarts?: number;
}

let nextUid = 0;
function pod({ phase = 'Running', tracked = true, index, failures, exitCode, deleting, restarts }: PodOptions): Pod {
  const annotations = {
    ...(index === undefined ? {} : { 'batch.kubernetes.io/job-completion-index': String(index) }),
    ...(failures === undefined ? {} : { 'batch.kubernetes.io/job-index-failure-count': String(failures) }),
  };
  const uid = `p${nextUid++}`;
  const terminated = exitCode === undefined ? undefined : { exitCode, finishedAt: agoSeconds(5) };
  return {
    metadata: {
      name: uid,
      uid,
      namespace: 'default',
      annotations,
      finalizers: tracked ? [TRACKING_FINALIZER] : [],
      deletionTimestamp: deleting === true ? agoSeconds(30) : undefined,
    },
    spec: { containers: [] },
    status: {
      phase,
      containerStatuses: [
        { name: 'c', image: '', imageID: '', ready: true, restartCount: restarts ?? 0, state: { terminated } },
      ],
    },
  };
}

const many = (n: number, options: PodOptions): Pod[] => Array.from({ length: n }, () => pod(options));
const plan = (subject: Job, pods: Pod[], backoff = { failures: 0, lastFailureMs: 0 }) =>
  planJob({ job: subject, pods, backoff, nowMs: NOW_MS });
const types = (status: JobStatus) => (status.conditions ?? []).map(({ type, status: value }) => `${type}=${value}`);

describe('planJob()', () => {
  test.each<[string, Job, Pod[], number, number]>([
    ['begins with as many as may run at once', job({ parallelism: 3, completions: 5 }), [], 3, 0],
    ['makes no more than are missing', job({ parallelism: 3, completions: 5 }, { succeeded: 4 }), [], 1, 0],
    ['ends what is too much', job({ parallelism: 1, completions: 5 }), many(3, {}), 0, 2],
    ['without completions one success is enough', job({ parallelism: 3 }, { succeeded: 1 }), many(2, {}), 0, 0],
    ['a suspended job has no pods', job({ parallelism: 2, completions: 2, suspend: true }), many(2, {}), 0, 2],
    [
      'pods that are being ended are replaced',
      job({ parallelism: 1, completions: 1 }),
      [pod({ deleting: true })],
      1,
      0,
    ],
    [
      'unless the job waits for their end',
      job({ parallelism: 1, completions: 1, podReplacementPolicy: 'Failed' }),
      [pod({ deleting: true })],
      0,
      0,
    ],
  ])('%s', (_name, subject, pods, create, gone) => {
    const made = plan(subject, pods);
    expect([made.create.length, made.delete.length]).toEqual([create, gone]);
  });

  test('counts a pod once: noted, let go, summed up', () => {
    const subject = job({ completions: 2 });
    const ended = pod({ phase: 'Succeeded' });
    const noted = plan(subject, [ended]);
    expect(noted.release).toEqual([ended]);
    expect(noted.status).toMatchObject({ succeeded: 0, uncountedTerminatedPods: { succeeded: [ended.metadata.uid] } });
    const again = plan({ ...subject, status: noted.status }, [ended]);
    expect(again.status.uncountedTerminatedPods).toEqual(noted.status.uncountedTerminatedPods);
    const released = { ...ended, metadata: { ...ended.metadata, finalizers: [] } };
    const summed = plan({ ...subject, status: noted.status }, [released]);
    expect(summed.status).toMatchObject({ succeeded: 1, uncountedTerminatedPods: {} });
    expect(summed.release).toEqual([]);
    expect(plan({ ...subject, status: summed.status }, []).status.succeeded).toBe(1);
  });

  test('is complete when enough succeeded, and nothing is left to count', () => {
    const ended = pod({ phase: 'Succeeded' });
    const first = plan(job({ completions: 1 }), [ended]);
    expect(types(first.status)).toEqual(['SuccessCriteriaMet=True']);
    const last = plan(job({ completions: 1 }, first.status), []);
    expect(types(last.status)).toEqual(['SuccessCriteriaMet=True', 'Complete=True']);
    expect(last.status.completionTime).toBe(formatTime(NOW_MS));
  });

  test('fails after too many failures, once what still runs has ended', () => {
    const subject = job({ completions: 3, parallelism: 3, backoffLimit: 1 }, { failed: 1 });
    const running = pod({});
    const first = plan(subject, [running, pod({ phase: 'Failed', exitCode: 1 })]);
    expect(first.delete).toEqual([running]);
    expect(types(first.status)).toEqual(['FailureTarget=True']);
    const last = plan({ ...subject, status: first.status }, []);
    expect(types(last.status)).toEqual(['FailureTarget=True', 'Failed=True']);
    expect(last.status).toMatchObject({ failed: 2, active: 0 });
    expect(last.status.conditions?.[1]?.reason).toBe('BackoffLimitExceeded');
  });

  test('restarts in place count as failures', () => {
    const subject = job({
      completions: 1,
      backoffLimit: 3,
      template: { spec: { containers: [], restartPolicy: 'OnFailure' } },
    });
    expect(types(plan(subject, [pod({ restarts: 2 })]).status)).toEqual([]);
    expect(types(plan(subject, [pod({ restarts: 3 })]).status)).toEqual(['FailureTarget=True']);
  });

  test('waits longer after each failure', () => {
    const subject = job({ completions: 1 });
    expect(plan(subject, [], { failures: 1, lastFailureMs: NOW_MS - 4000 })).toMatchObject({
      create: [],
      afterMs: 6000,
    });
    expect(plan(subject, [], { failures: 3, lastFailureMs: NOW_MS - 4000 })).toMatchObject({ afterMs: 36_000 });
    expect(plan(subject, [], { failures: 3, lastFailureMs: NOW_MS - 40_000 }).create.length).toBe(1);
    const failed = plan(subject, [pod({ phase: 'Failed', exitCode: 1 })], { failures: 1, lastFailureMs: 0 });
    expect(failed.backoff).toEqual({ failures: 2, lastFailureMs: NOW_MS - 5000 });
  });

  test('ends at its deadline, and looks again then', () => {
    expect(plan(job({ completions: 1, activeDeadlineSeconds: 160 }), [pod({})]).afterMs).toBe(60_000);
    const over = plan(job({ completions: 1, activeDeadlineSeconds: 99 }), [pod({})]);
    expect(over.delete.length).toBe(1);
    expect(over.status.conditions?.[0]).toMatchObject({ type: 'FailureTarget', reason: 'DeadlineExceeded' });
  });

  test('resumes with a new start', () => {
    const suspended = plan(job({ completions: 1, suspend: true }), []);
    expect(types(suspended.status)).toEqual(['Suspended=True']);
    expect(suspended.status.startTime).toBeUndefined();
    const resumed = plan(job({ completions: 1 }, { ...suspended.status, startTime: undefined }), []);
    expect(types(resumed.status)).toEqual(['Suspended=False']);
    expect(resumed.status.startTime).toBe(formatTime(NOW_MS));
  });

  test('a job that is over lets its pods go, and does nothing else', () => {
    const over = job({ completions: 3 }, { conditions: [{ type: 'Failed', status: 'True' }] });
    const made = plan(over, [pod({ phase: 'Succeeded' }), pod({ tracked: false })]);
    expect([made.create.length, made.delete.length, made.release.length]).toEqual([0, 0, 1]);
    expect(made.status).toEqual(over.status);
  });
});

describe('planJob() with indexes', () => {
  test('makes each index once', () => {
    const subject = indexed({ completions: 5, parallelism: 3 }, { completedIndexes: '0,2' });
    expect(plan(subject, [pod({ index: 3 })]).create.map(({ index }) => index)).toEqual([1, 4]);
  });

  test('counts indexes, and ends what an index has too many of or none needs', () => {
    const subject = indexed({ completions: 4, parallelism: 9 });
    const pods = [pod({ phase: 'Succeeded', index: 1 }), pod({ index: 0 }), pod({ index: 0 }), pod({ index: 7 })];
    const made = plan(subject, pods);
    expect(made.status).toMatchObject({ completedIndexes: '1', succeeded: 1 });
    expect(made.delete.length).toBe(2);
  });

  test('an index fails by itself, and its failed pod stays until another counts on', () => {
    const subject = indexed({ completions: 2, parallelism: 2, backoffLimitPerIndex: 1, backoffLimit: 99 });
    const once = pod({ phase: 'Failed', index: 0, failures: 0 });
    const first = plan(subject, [once, pod({ index: 1 })]);
    expect(first.create).toEqual([{ index: 0, failures: 1 }]);
    expect(first.release).toEqual([]);
    const twice = pod({ phase: 'Failed', index: 0, failures: 1 });
    const second = plan({ ...subject, status: first.status }, [once, twice, pod({ index: 1 })]);
    expect(second.release).toEqual([once, twice]);
    expect(second.status.failedIndexes).toBe('0');
    const third = plan({ ...subject, status: second.status }, [pod({ phase: 'Succeeded', index: 1 })]);
    expect(third.status.conditions?.[0]).toMatchObject({ type: 'FailureTarget', reason: 'FailedIndexes' });
  });

  test('a success policy ends the job early', () => {
    const rules = [{ succeededIndexes: '0-1', succeededCount: 1 }];
    const subject = indexed({ completions: 4, parallelism: 4, successPolicy: { rules } }, { completedIndexes: '1' });
    const made = plan(subject, [pod({ index: 0 })]);
    expect(made.status.conditions?.[0]).toMatchObject({ type: 'SuccessCriteriaMet', reason: 'SuccessPolicy' });
    expect(made.delete.length).toBe(1);
  });

  test('a pod knows its index', () => {
    const made = jobPod(indexed({ completions: 2 }), 1, 0);
    expect(made.spec.hostname).toBe('j-1');
    expect(made.metadata).toMatchObject({ generateName: 'j-1-', finalizers: [TRACKING_FINALIZER] });
    expect(made.spec.containers[0]?.env?.[0]?.name).toBe('JOB_COMPLETION_INDEX');
  });
});

describe('judgeFailure()', () => {
  const policy = (rules: NonNullable<JobSpec['podFailurePolicy']>['rules']) => job({ podFailurePolicy: { rules } });
  const failed = (exitCode: number) => pod({ phase: 'Failed', exitCode });

  test('the first rule that is met decides', () => {
    const subject = policy([
      { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget' }] },
      { action: 'FailJob', onExitCodes: { operator: 'In', values: [42] } },
    ]);
    expect(judgeFailure(subject, failed(42))).toMatchObject({ action: 'FailJob' });
    expect(judgeFailure(subject, failed(42)).message).toContain('exit code 42 matching FailJob rule at index 1');
    expect(judgeFailure(subject, failed(1)).action).toBe('Count');
    const disrupted = failed(42);
    disrupted.status?.conditions?.push({ type: 'DisruptionTarget', status: 'True' });
    const conditions = [{ type: 'DisruptionTarget', status: 'True' }];
    expect(judgeFailure(subject, { ...disrupted, status: { ...disrupted.status, conditions } }).action).toBe('Ignore');
  });

  test('NotIn, and rules for one container', () => {
    expect(
      judgeFailure(policy([{ action: 'FailJob', onExitCodes: { operator: 'NotIn', values: [1] } }]), failed(2)).action,
    ).toBe('FailJob');
    const other = { containerName: 'other', operator: 'In', values: [2] };
    expect(judgeFailure(policy([{ action: 'FailJob', onExitCodes: other }]), failed(2)).action).toBe('Count');
  });
});

test.each([
  [[], ''],
  [[1], '1'],
  [[0, 1, 2, 5, 7, 8], '0-2,5,7,8'],
])('indexes %j are %j', (indexes, text) => {
  expect(formatIndexes(indexes)).toBe(text);
  expect([...parseIndexes(text, 10)]).toEqual(indexes);
});
