import { describe, expect, test } from '@jest/globals';
import type { Job } from '../../../../proto/api/batch-v1.ts';
import type { Pod } from '../../../../proto/api/core-v1.ts';
import { formatTime } from '../../../../machinery/meta/time.ts';
import {
  agoSeconds,
  failed,
  job,
  many,
  NOW_MS,
  plan,
  pod,
  reasonOf,
  released,
  succeeded,
  then,
  types,
} from '../testdata/job-objects.ts';
import { newsOf } from './conditions.ts';
import { planJob } from './job-plan.ts';
import { PodNames } from './pod-for-job.ts';

describe('planJob()', () => {
  test.each<[string, Job, Pod[], number, number]>([
    ['begins with as many as may run at once', job({ parallelism: 3, completions: 5 }), [], 3, 0],
    ['makes no more than are missing', job({ parallelism: 3, completions: 5 }, { succeeded: 4 }), [], 1, 0],
    ['ends what is too much', job({ parallelism: 1, completions: 5 }), many(3), 0, 2],
    [
      'after one success without completions leaves alone what runs',
      job({ parallelism: 3 }, { succeeded: 1 }),
      many(5),
      0,
      0,
    ],
    ['a suspended job has no pods', job({ parallelism: 2, completions: 2, suspend: true }), many(2), 0, 2],
    [
      'pods that are being ended are replaced',
      job({ completions: 1 }),
      [pod({ deleting: true, tracked: false })],
      1,
      0,
    ],
    [
      'unless the job waits for their end',
      job({ completions: 1, podReplacementPolicy: 'Failed' }),
      [pod({ deleting: true })],
      0,
      0,
    ],
    ['makes at most 500 at once', job({ parallelism: 900, completions: 900 }), [], 500, 0],
    ['makes nothing while it is being deleted', deleting(job({ completions: 1 })), [], 0, 0],
  ])('%s', (_name, subject, pods, create, gone) => {
    const made = plan(subject, pods);
    expect([made.create.length, made.remove.length, made.delete.length]).toEqual([create, gone, 0]);
  });

  test('counts a pod once: noted, let go, summed up', () => {
    const subject = job({ completions: 2 });
    const ended = succeeded();
    const noted = plan(subject, [ended]);
    expect(noted.release).toEqual([ended]);
    expect(noted.status).toMatchObject({ succeeded: 0, uncountedTerminatedPods: { succeeded: [ended.metadata.uid] } });
    const again = then(subject, noted, [ended]);
    expect(again.status).toEqual(noted.status);
    const summed = then(subject, noted, [released(ended)]);
    expect(summed.status).toMatchObject({ succeeded: 1, uncountedTerminatedPods: {} });
    expect(summed.release).toEqual([]);
    expect(then(subject, summed, []).status.succeeded).toBe(1);
  });

  test('a pod whose finalizer is off counts as let go, though it does not show it', () => {
    const subject = job({ completions: 2 });
    const ended = failed();
    const status = plan(subject, [ended]).status;
    const view = {
      pods: [ended],
      released: new Set([ended.metadata.uid ?? '']),
      backoff: { failures: 1, lastFailureMs: 0 },
    };
    const summed = planJob({ ...view, job: { ...subject, status }, endOf: () => 0, monotonicMs: 0, nowMs: NOW_MS });
    expect(summed.status).toMatchObject({ failed: 1, uncountedTerminatedPods: {} });
    expect([summed.release, summed.track]).toEqual([[], []]);
  });

  test('notes 500 at a time, and is not over before all are counted', () => {
    const subject = job({ completions: 600, parallelism: 600 });
    const pods = Array.from({ length: 600 }, () => succeeded());
    const first = plan(subject, pods);
    expect([first.release.length, first.status.uncountedTerminatedPods?.succeeded?.length]).toEqual([500, 500]);
    const second = then(
      subject,
      first,
      pods.map((each, i) => (i < 500 ? released(each) : each)),
    );
    expect([second.status.succeeded, second.release.length, types(second)]).toEqual([
      500,
      100,
      ['SuccessCriteriaMet=True'],
    ]);
  });

  test('is complete when enough succeeded, and nothing is left to count', () => {
    const subject = job({ completions: 1 });
    const first = plan(subject, [succeeded()]);
    expect(types(first)).toEqual(['SuccessCriteriaMet=True']);
    const last = then(subject, first, []);
    expect(types(last)).toEqual(['SuccessCriteriaMet=True', 'Complete=True']);
    expect(last.status).toMatchObject({ completionTime: formatTime(NOW_MS), succeeded: 1, active: 0 });
    expect(last.status.uncountedTerminatedPods).toBeUndefined();
    expect(newsOf({ ...subject, status: first.status }, last.status)).toEqual([
      { type: 'Normal', reason: 'Completed', message: 'Job completed' },
    ]);
  });

  test('a clock that was set back makes no job end before it began', () => {
    const subject = job({ completions: 0 }, { startTime: agoSeconds(-50) });
    expect(plan(subject, []).status.completionTime).toBe(agoSeconds(-50));
  });

  test('too many that succeeded are told of', () => {
    const subject = job({ completions: 1 }, { succeeded: 2 });
    const news = newsOf(subject, plan(subject, []).status);
    expect(news.map(({ reason }) => reason)).toEqual(['TooManySucceededPods', 'Completed']);
  });

  test('fails after too many failures, once what still runs has ended', () => {
    const subject = job({ completions: 3, parallelism: 3, backoffLimit: 1 }, { failed: 1 });
    const running = pod();
    const first = plan(subject, [running, failed()]);
    expect([first.delete, first.isDecided, first.release.length]).toEqual([[running], true, 2]);
    expect(types(first)).toEqual(['FailureTarget=True']);
    expect(first.status).toMatchObject({ active: 0, terminating: 1 });
    const waiting = then(subject, first, [pod({ deleting: true, tracked: false })]);
    expect([types(waiting), waiting.status.failed]).toEqual([['FailureTarget=True'], 3]);
    const last = then(subject, waiting, []);
    expect(types(last)).toEqual(['FailureTarget=True', 'Failed=True']);
    expect(reasonOf(last)).toBe('BackoffLimitExceeded');
  });

  test('what is ended because enough succeeded, or is too much, has not failed', () => {
    const enough = job({ completions: 1, parallelism: 1 }, { succeeded: 1 });
    const first = plan(enough, [pod()]);
    expect([first.remove.length, types(first)]).toEqual([1, ['SuccessCriteriaMet=True']]);
    const gone = pod({ deleting: true, tracked: false });
    expect(then(enough, first, [gone]).status).toMatchObject({ failed: 0, terminating: 1 });
    const over = job({ completions: 9, suspend: true });
    expect(then(over, plan(over, [pod()]), [gone]).status.failed).toBe(0);
  });

  test('a pod that is deleted has failed, unless the job waits for its end', () => {
    const ending = pod({ deleting: true });
    expect(plan(job({ completions: 1 }), [ending]).release).toEqual([ending]);
    expect(plan(job({ completions: 1, podReplacementPolicy: 'Failed' }), [ending]).release).toEqual([]);
  });

  test('restarts in place count as failures', () => {
    const template = { spec: { containers: [], restartPolicy: 'OnFailure' } };
    const subject = job({ completions: 1, backoffLimit: 3, template });
    expect(types(plan(subject, [pod({ restarts: 2 })]))).toEqual([]);
    expect(types(plan(subject, [pod({ restarts: 3 })]))).toEqual(['FailureTarget=True']);
  });

  test('waits longer after each failure', () => {
    const subject = job({ completions: 1 });
    const after = (failures: number, agoMs: number) => plan(subject, [], { failures, lastFailureMs: NOW_MS - agoMs });
    expect(after(1, 4000)).toMatchObject({ create: [], afterMs: 6000 });
    expect(after(3, 4000)).toMatchObject({ afterMs: 36_000 });
    expect(after(99, 0)).toMatchObject({ afterMs: 600_000 });
    expect(after(3, 40_000).create.length).toBe(1);
    const two = plan(job({ completions: 9 }), [failed({ endedSecondsAgo: 9 }), failed({ endedSecondsAgo: 5 })]);
    expect(two.backoff).toEqual({ failures: 2, lastFailureMs: NOW_MS - 5000 });
    const since = plan(job({ completions: 9 }), [
      failed(),
      succeeded({ endedSecondsAgo: 7 }),
      failed({ endedSecondsAgo: 9 }),
    ]);
    expect(since.backoff).toEqual({ failures: 1, lastFailureMs: NOW_MS - 5000 });
  });

  test('ends at its deadline, and looks again then', () => {
    expect(plan(job({ completions: 1, activeDeadlineSeconds: 160 }), [pod()]).afterMs).toBe(60_000);
    const over = plan(job({ completions: 1, activeDeadlineSeconds: 99 }), [pod()]);
    expect([over.delete.length, over.afterMs]).toEqual([1, undefined]);
    expect(over.status.conditions?.[0]).toMatchObject({ type: 'FailureTarget', reason: 'DeadlineExceeded' });
    expect(types(plan(job({ suspend: true, activeDeadlineSeconds: 99 }), []))).toEqual(['Suspended=True']);
  });

  test('resumes with a new start', () => {
    const subject = job({ completions: 1, suspend: true });
    const suspended = plan(subject, []);
    expect(types(suspended)).toEqual(['Suspended=True']);
    expect(suspended.status.startTime).toBeUndefined();
    const resumed = then(job({ completions: 1 }), suspended, []);
    expect(types(resumed)).toEqual(['Suspended=False']);
    expect(resumed.status.startTime).toBe(formatTime(NOW_MS));
    const before = { ...subject, status: suspended.status };
    expect(newsOf(before, resumed.status)).toEqual([{ type: 'Normal', reason: 'Resumed', message: 'Job resumed' }]);
  });

  test('tracks anew what somebody took the finalizer off', () => {
    const bare = pod({ tracked: false });
    expect(plan(job({ completions: 1 }), [bare]).track).toEqual([bare]);
    expect(plan(deleting(job({ completions: 1 })), [bare]).track).toEqual([]);
  });

  test('a job that is over or going lets its pods go, and makes none', () => {
    const over = job({ completions: 3 }, { conditions: [{ type: 'Failed', status: 'True' }] });
    const made = plan(over, [succeeded(), pod({ tracked: false })]);
    expect([made.create.length, made.delete.length, made.release.length]).toEqual([0, 0, 1]);
    expect(made.status).toEqual(over.status);
    const going = plan(deleting(job({ completions: 3 })), [pod(), pod({ deleting: true })]);
    expect([going.release.length, going.delete.length, going.status.active]).toEqual([2, 0, 1]);
  });
});

function deleting(subject: Job): Job {
  return { ...subject, metadata: { ...subject.metadata, deletionTimestamp: agoSeconds(1) } };
}

test('PodNames draws the same names again, none that is taken, and cuts long ones, not the index', () => {
  const subject = job({}, { succeeded: 2 });
  const draw = (n: number, isTaken: (name: string) => boolean = () => false): string[] => {
    const names = new PodNames(subject, isTaken);
    return Array.from({ length: n }, () => names.draw(undefined));
  };
  const [first = '', second = '', third = ''] = draw(3);
  expect(first).toMatch(/^j-[a-z0-9]{5}$/);
  expect(new Set([first, second, third]).size).toBe(3);
  expect(draw(2, name => name === first)).toEqual([second, third]);
  const long = { ...subject, metadata: { ...subject.metadata, name: 'j'.repeat(60) } };
  expect(new PodNames(long, () => false).draw(12)).toMatch(new RegExp(`^j{54}-12-[a-z0-9]{5}$`));
});
