/**
 * When a CronJob starts its next Job, and which old ones go. Pure.
 * Source: kubernetes.io/docs, "CronJob"; upstream `pkg/controller/cronjob`.
 */
import type { CronJob, Job } from '../../../proto/api/batch-v1.ts';
import { parseCronSchedule, type CronSchedule } from '../../../machinery/meta/cron-schedule.ts';
import { controllerRef, findCondition, isConditionTrue, isControlledBy } from '../../../machinery/meta/object.ts';
import { formatTime, parseTime } from '../../../machinery/meta/time.ts';

const CRON_JOB = { group: 'batch', version: 'v1', kind: 'CronJob' };
const SCHEDULED_AT = 'batch.kubernetes.io/cronjob-scheduled-timestamp';
/** So many missed starts mean a clock that is wrong or a controller that was away for long. */
const MANY_MISSED = 100;

export interface Due {
  /** The start that is due now; earlier ones that were missed are lost. */
  scheduledMs: number | undefined;
  /** When the next one is due. */
  nextMs: number | undefined;
  tooManyMissed: boolean;
}

/** @throws RangeError when the time zone is unknown */
export function dueStart({ metadata, spec, status }: CronJob, nowMs: number): Due {
  const schedule = parseCronSchedule(spec.schedule, spec.timeZone);
  let earliestMs = parseTime(status?.lastScheduleTime ?? '') ?? parseTime(metadata.creationTimestamp ?? '') ?? nowMs;
  if (spec.startingDeadlineSeconds !== undefined) {
    earliestMs = Math.max(earliestMs, nowMs - spec.startingDeadlineSeconds * 1000);
  }
  const { lastMs, tooMany } = lastBefore(schedule, earliestMs, nowMs);
  return { scheduledMs: lastMs, nextMs: schedule.next(nowMs), tooManyMissed: tooMany };
}

function lastBefore(
  schedule: CronSchedule,
  afterMs: number,
  nowMs: number,
): { lastMs: number | undefined; tooMany: boolean } {
  let lastMs: number | undefined;
  let missed = 0;
  for (let atMs = schedule.next(afterMs); atMs !== undefined && atMs <= nowMs; atMs = schedule.next(atMs)) {
    lastMs = atMs;
    missed++;
    if (missed <= MANY_MISSED) continue;
    // What was long ago does not matter: look for the last one from nearby.
    let backMs = 60_000;
    while (backMs < nowMs - afterMs && !namesOne(schedule, nowMs - backMs, nowMs)) backMs *= 2;
    const fromMs = Math.max(afterMs, nowMs - backMs);
    for (let next = schedule.next(fromMs); next !== undefined && next <= nowMs; next = schedule.next(next))
      lastMs = next;
    return { lastMs, tooMany: true };
  }
  return { lastMs, tooMany: false };
}

function namesOne(schedule: CronSchedule, fromMs: number, toMs: number): boolean {
  return (schedule.next(fromMs) ?? Infinity) <= toMs;
}

/** The job of one start; the same start always has the same name, so that it is made once. */
export function jobFor(cron: CronJob, scheduledMs: number): Job {
  const { metadata, spec } = cron.spec.jobTemplate;
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      namespace: cron.metadata.namespace,
      name: `${cron.metadata.name}-${Math.floor(scheduledMs / 60_000)}`,
      ...(metadata?.labels === undefined ? {} : { labels: metadata.labels }),
      annotations: { ...metadata?.annotations, [SCHEDULED_AT]: formatTime(scheduledMs) },
      ownerReferences: [controllerRef(cron, CRON_JOB)],
    },
    spec: spec ?? { template: {} },
  };
}

export function jobOutcome(job: Job): 'Complete' | 'Failed' | undefined {
  if (isConditionTrue(job.status?.conditions, 'Complete')) return 'Complete';
  return isConditionTrue(job.status?.conditions, 'Failed') ? 'Failed' : undefined;
}

/** Ended jobs beyond the limits of history, oldest first. */
export function jobsToClean({ spec }: CronJob, jobs: readonly Job[]): Job[] {
  const beyond = (outcome: 'Complete' | 'Failed', limit: number): Job[] => {
    const ended = jobs.filter(job => jobOutcome(job) === outcome).sort((a, b) => startedMs(a) - startedMs(b));
    return ended.slice(0, Math.max(0, ended.length - limit));
  };
  return [
    ...beyond('Complete', spec.successfulJobsHistoryLimit ?? 3),
    ...beyond('Failed', spec.failedJobsHistoryLimit ?? 1),
  ];
}

function startedMs({ metadata, status }: Job): number {
  return parseTime(status?.startTime ?? '') ?? parseTime(metadata.creationTimestamp ?? '') ?? 0;
}

export interface CronStatusPlan {
  status: NonNullable<CronJob['status']>;
  /** Jobs that were active before and have ended, with how. */
  finished: { job: Job; outcome: 'Complete' | 'Failed' }[];
  /** Names of jobs that were active before and are gone. */
  missing: string[];
}

/** @param jobs all that the cron job owns */
export function planCronStatus(cron: CronJob, jobs: readonly Job[]): CronStatusPlan {
  const before = cron.status?.active ?? [];
  const running = jobs.filter(job => isControlledBy(job, cron) && jobOutcome(job) === undefined);
  const byUid = new Map(jobs.map(job => [job.metadata.uid, job]));
  const finished: CronStatusPlan['finished'] = [];
  const missing: string[] = [];
  for (const reference of before) {
    const job = byUid.get(reference.uid);
    const outcome = job === undefined ? undefined : jobOutcome(job);
    if (job === undefined) missing.push(reference.name ?? '');
    else if (outcome !== undefined) finished.push({ job, outcome });
  }
  const successes = jobs.filter(job => jobOutcome(job) === 'Complete').map(completedAt);
  const last = [cron.status?.lastSuccessfulTime ?? '', ...successes].sort().at(-1) ?? '';
  const active = running.map(jobReference).sort((a, b) => (a.name < b.name ? -1 : 1));
  const { lastScheduleTime } = cron.status ?? {};
  return {
    status: {
      ...(active.length === 0 ? {} : { active }),
      ...(lastScheduleTime === undefined ? {} : { lastScheduleTime }),
      ...(last === '' ? {} : { lastSuccessfulTime: last }),
    },
    finished,
    missing,
  };
}

function completedAt({ status }: Job): string {
  return status?.completionTime ?? findCondition(status?.conditions, 'Complete')?.lastTransitionTime ?? '';
}

export function jobReference({ metadata }: Job) {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    namespace: metadata.namespace,
    name: metadata.name ?? '',
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
  };
}
