import { describe, expect, test } from '@jest/globals';
import type { CronJob, CronJobSpec, Job } from '../../../proto/api/batch-v1.ts';
import { dueStart, jobFor, jobsToClean, planCronStatus } from './plan.ts';

const at = (text: string): number => Date.parse(`2026-01-01T${text}Z`);

const cron = (spec: Partial<CronJobSpec> = {}, status: CronJob['status'] = {}): CronJob => ({
  metadata: { name: 'c', namespace: 'default', uid: 'u', creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: { schedule: '*/10 * * * *', jobTemplate: {}, ...spec },
  status,
});

function job(name: string, outcome?: 'Complete' | 'Failed', minute = 0): Job {
  const time = `2026-01-01T00:${String(minute).padStart(2, '0')}:00Z`;
  return {
    metadata: {
      name,
      uid: name,
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'CronJob', name: 'c', uid: 'u', controller: true }],
    },
    spec: { template: {} },
    status: {
      startTime: time,
      ...(outcome === undefined ? {} : { conditions: [{ type: outcome, status: 'True', lastTransitionTime: time }] }),
    },
  };
}

describe('dueStart()', () => {
  test.each<[string, CronJob, string, string | undefined, string]>([
    ['nothing yet', cron(), '00:09:59', undefined, '00:10:00'],
    ['now', cron(), '00:10:00', '00:10:00', '00:20:00'],
    ['the last of those missed', cron(), '00:35:00', '00:30:00', '00:40:00'],
    ['not again', cron({}, { lastScheduleTime: '2026-01-01T00:30:00Z' }), '00:35:00', undefined, '00:40:00'],
    ['not too late', cron({ startingDeadlineSeconds: 60 }), '00:35:00', undefined, '00:40:00'],
    ['just in time', cron({ startingDeadlineSeconds: 360 }), '00:35:00', '00:30:00', '00:40:00'],
  ])('%s', (_name, subject, now, scheduled, next) => {
    const due = dueStart(subject, at(now));
    expect(due).toEqual({
      scheduledMs: scheduled === undefined ? undefined : at(scheduled),
      nextMs: at(next),
      tooManyMissed: false,
    });
  });

  test('after a long absence the last start counts, and it is told', () => {
    const due = dueStart(cron({ schedule: '* * * * *' }), at('09:00:30'));
    expect(due).toEqual({ scheduledMs: at('09:00:00'), nextMs: at('09:01:00'), tooManyMissed: true });
  });
});

test('jobFor() names a job after its start', () => {
  const template = { metadata: { labels: { a: 'b' } }, spec: { template: {} } };
  expect(jobFor(cron({ jobTemplate: template }), at('00:10:00')).metadata).toMatchObject({
    name: 'c-29453770',
    labels: { a: 'b' },
    annotations: { 'batch.kubernetes.io/cronjob-scheduled-timestamp': '2026-01-01T00:10:00Z' },
  });
});

test('jobsToClean() keeps the newest of each outcome', () => {
  const jobs = [1, 2, 3, 4].flatMap(i => [job(`s${i}`, 'Complete', i), job(`f${i}`, 'Failed', i)]);
  const names = (spec: Partial<CronJobSpec>) => jobsToClean(cron(spec), jobs).map(({ metadata }) => metadata.name);
  expect(names({})).toEqual(['s1', 'f1', 'f2', 'f3']);
  expect(names({ successfulJobsHistoryLimit: 0, failedJobsHistoryLimit: 4 })).toEqual(['s1', 's2', 's3', 's4']);
});

test('planCronStatus() follows its jobs', () => {
  const before = { active: ['a', 'b', 'gone'].map(uid => ({ name: uid, uid })) };
  const plan = planCronStatus(cron({}, before), [job('a'), job('b', 'Complete', 5), job('c')]);
  expect(plan.status.active?.map(({ name }) => name)).toEqual(['a', 'c']);
  expect(plan.status.lastSuccessfulTime).toBe('2026-01-01T00:05:00Z');
  expect(plan.finished.map(({ job: each }) => each.metadata.name)).toEqual(['b']);
  expect(plan.missing).toEqual(['gone']);
});
