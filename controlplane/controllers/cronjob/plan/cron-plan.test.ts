import { describe, expect, test } from '@jest/globals';
import type { CronJob, CronJobSpec, Job } from '../../../../proto/api/batch-v1.ts';
import { jobsToClean, planCronStatus, unknownReferences } from './cron-status.ts';
import { dueStart } from './due-start.ts';
import { jobFor } from './job-for.ts';

const at = (text: string): number => Date.parse(`2026-01-01T${text}Z`);
const text = (ms: number | undefined): string | undefined =>
  ms === undefined ? undefined : new Date(ms).toISOString().slice(11, 19);

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
  const after = (time: string) => ({ lastScheduleTime: `2026-01-01T${time}Z` });
  test.each<[string, CronJob, string, string | undefined, string]>([
    ['nothing yet', cron(), '00:09:59', undefined, '00:10:00'],
    ['now', cron(), '00:10:00', '00:10:00', '00:20:00'],
    ['the last of those missed', cron(), '00:35:00', '00:30:00', '00:40:00'],
    ['not again', cron({}, after('00:30:00')), '00:35:00', undefined, '00:40:00'],
    ['not too late', cron({ startingDeadlineSeconds: 60 }), '00:35:00', undefined, '00:40:00'],
    ['just in time', cron({ startingDeadlineSeconds: 300 }), '00:35:00', '00:30:00', '00:40:00'],
    [
      '@every counts from the last start',
      cron({ schedule: '@every 7m' }, after('00:08:30')),
      '00:20:00',
      '00:15:30',
      '00:22:30',
    ],
    ['@every counts from the creation', cron({ schedule: '@every 1h' }), '00:20:00', undefined, '01:00:00'],
    ['a clock set back a little starts nothing twice', cron({}, after('02:00:00')), '00:35:00', undefined, '02:10:00'],
  ])('%s', (_name, subject, now, scheduled, next) => {
    const { scheduledMs, nextMs, tooManyMissed } = dueStart(subject, -Infinity, at(now));
    expect([text(scheduledMs), text(nextMs), tooManyMissed]).toEqual([scheduled, next, false]);
  });

  test('what was missed for too long is told', () => {
    const { missedMs } = dueStart(cron({ startingDeadlineSeconds: 60 }), -Infinity, at('00:35:00'));
    expect(text(missedMs)).toBe('00:30:00');
  });

  test('another schedule counts from when it is there', () => {
    expect(text(dueStart(cron(), at('00:34:00'), at('00:35:00')).scheduledMs)).toBeUndefined();
    expect(text(dueStart(cron(), at('00:34:00'), at('00:40:01')).scheduledMs)).toBe('00:40:00');
  });

  test.each([
    ['* * * * *', '09:00:30', '09:00:00', '09:01:00'],
    ['@every 25s', '09:00:30', '09:00:25', '09:00:50'],
  ])('after a long absence the last start of %s counts, and it is told', (schedule, now, scheduled, next) => {
    const due = dueStart(cron({ schedule }), -Infinity, at(now));
    expect([text(due.scheduledMs), text(due.nextMs), due.tooManyMissed]).toEqual([scheduled, next, true]);
    // With a deadline the number of those that are over does not matter.
    expect(dueStart(cron({ schedule, startingDeadlineSeconds: 99 }), -Infinity, at(now)).tooManyMissed).toBe(false);
  });
});

test('jobFor() names a job after its start, which it tells in the zone of the schedule', () => {
  const template = { metadata: { labels: { a: 'b' } }, spec: { template: {} } };
  const scheduledAt = (spec: Partial<CronJobSpec>) =>
    jobFor(cron({ jobTemplate: template, ...spec }), at('00:10:00')).metadata;
  expect(scheduledAt({})).toMatchObject({
    name: 'c-29453770',
    labels: { a: 'b' },
    annotations: { 'batch.kubernetes.io/cronjob-scheduled-timestamp': '2026-01-01T00:10:00Z' },
  });
  expect(scheduledAt({ timeZone: 'America/St_Johns' }).annotations).toEqual({
    'batch.kubernetes.io/cronjob-scheduled-timestamp': '2025-12-31T20:40:00-03:30',
  });
});

test('jobsToClean() keeps the newest of each outcome', () => {
  const jobs = [1, 2, 3, 4].flatMap(i => [job(`s${i}`, 'Complete', i), job(`f${i}`, 'Failed', i)]);
  const names = (spec: Partial<CronJobSpec>) => jobsToClean(cron(spec), jobs).map(({ metadata }) => metadata.name);
  expect(names({})).toEqual(['s1', 'f1', 'f2', 'f3']);
  expect(names({ successfulJobsHistoryLimit: 0, failedJobsHistoryLimit: 4 })).toEqual(['s1', 's2', 's3', 's4']);
});

test('planCronStatus() follows its jobs, takes on those of lost starts, and tells of others', () => {
  const before = { active: ['a', 'b', 'gone'].map(uid => ({ name: uid, uid })) };
  const made = jobFor(cron(), at('00:10:00'));
  const lost = { ...made, metadata: { ...made.metadata, uid: 'lost' } };
  const jobs = [job('a'), job('b', 'Complete', 5), job('byHand'), job('old', 'Failed'), lost];
  const plan = planCronStatus(cron({}, before), jobs, at('00:12:00'));
  expect(plan.status.active?.map(({ uid }) => uid)).toEqual(['a', 'lost']);
  expect(plan.status.lastSuccessfulTime).toBe('2026-01-01T00:05:00Z');
  expect(plan.finished.map(({ job: each }) => each.metadata.name)).toEqual(['b']);
  expect(plan.missing).toEqual(['gone']);
  expect(plan.unexpected.map(({ metadata }) => metadata.name)).toEqual(['byHand']);
  expect(unknownReferences(cron({}, before), jobs)).toEqual([{ name: 'gone', uid: 'gone' }]);
});

test.each([
  ['00:31:00', '00:30:00', '00:30:00'],
  ['00:31:00', '02:30:00', '02:30:00'],
  ['00:31:00', '09:30:00', '00:31:00'],
])(
  'at %s a last start at %s is taken for one at %s: clocks that were wrong keep nothing from starting',
  (now, last, want) => {
    const before = cron({}, { lastScheduleTime: `2026-01-01T${last}Z` });
    expect(planCronStatus(before, [], at(now)).status.lastScheduleTime).toBe(`2026-01-01T${want}Z`);
  },
);
