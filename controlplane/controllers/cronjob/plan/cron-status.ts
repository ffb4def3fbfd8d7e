/**
 * What a CronJob's status says of its Jobs, and which old ones go. Pure.
 * Source: kubernetes.io/docs, "CronJob"; upstream `pkg/controller/cronjob/cronjob_controllerv2.go`.
 */
import type { CronJob, CronJobStatus, Job } from '../../../../proto/api/batch-v1.ts';
import { findCondition, isConditionTrue, isDeleting } from '../../../../machinery/meta/object.ts';
import { formatTime, parseTime } from '../../../../machinery/meta/time.ts';
import { plausibleStart } from './due-start.ts';
import { startOf } from './job-for.ts';

export type Outcome = 'Complete' | 'Failed';

export function jobOutcome(job: Job): Outcome | undefined {
  if (isConditionTrue(job.status?.conditions, 'Complete')) return 'Complete';
  return isConditionTrue(job.status?.conditions, 'Failed') ? 'Failed' : undefined;
}

/** Ended jobs beyond the limits of history, oldest first. */
export function jobsToClean({ spec }: CronJob, jobs: readonly Job[]): Job[] {
  const beyond = (outcome: Outcome, limit: number): Job[] => {
    const ended = jobs.filter(job => jobOutcome(job) === outcome && !isDeleting(job));
    ended.sort((a, b) => startedMs(a) - startedMs(b) || ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1));
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
  status: CronJobStatus;
  /** Jobs that were active before and have ended, with how. */
  finished: { job: Job; outcome: Outcome }[];
  /** Names of jobs that were active before and are gone. */
  missing: string[];
  /** Jobs that run, refer to it and were made by somebody else. */
  unexpected: Job[];
}

/** @param jobs all that the cron job owns, looked up again where the status names one that is not among them */
export function planCronStatus(cron: CronJob, jobs: readonly Job[], nowMs: number): CronStatusPlan {
  const before = cron.status?.active ?? [];
  const byUid = new Map(jobs.map(job => [job.metadata.uid, job]));
  const plan: CronStatusPlan = { status: {}, finished: [], missing: [], unexpected: [] };
  const active = before.filter(({ uid, name = '' }) => {
    const job = byUid.get(uid);
    const outcome = job === undefined ? undefined : jobOutcome(job);
    if (job === undefined) plan.missing.push(name);
    else if (outcome !== undefined) plan.finished.push({ job, outcome });
    return job !== undefined && outcome === undefined;
  });
  const known = new Set(before.map(({ uid }) => uid));
  for (const job of jobs) {
    if (known.has(job.metadata.uid) || jobOutcome(job) !== undefined) continue;
    // Made for a start by a run whose status was lost.
    if (startOf(cron, job) !== undefined) active.push(jobReference(job));
    else plan.unexpected.push(job);
  }
  const successes = jobs.filter(job => jobOutcome(job) === 'Complete').map(completedAt);
  const last = [cron.status?.lastSuccessfulTime ?? '', ...successes].sort().at(-1) ?? '';
  const lastScheduleTime = lastStart(cron, jobs, nowMs);
  if (active.length > 0) plan.status.active = active;
  if (lastScheduleTime !== undefined) plan.status.lastScheduleTime = lastScheduleTime;
  if (last !== '') plan.status.lastSuccessfulTime = last;
  return plan;
}

/** The status of a start may be lost, its job is there. */
function lastStart(cron: CronJob, jobs: readonly Job[], nowMs: number): string | undefined {
  const isPlausible = (ms: number | undefined): ms is number => ms !== undefined && plausibleStart(ms, nowMs) === ms;
  const started = jobs.map(job => startOf(cron, job)).filter(isPlausible);
  const writtenMs = parseTime(cron.status?.lastScheduleTime ?? '') ?? 0;
  const lastMs = Math.max(plausibleStart(writtenMs, nowMs), ...started);
  return lastMs === 0 ? undefined : formatTime(lastMs);
}

/** References of the status to jobs that are not among `jobs`. */
export function unknownReferences({ status }: CronJob, jobs: readonly Job[]): { name: string; uid: string }[] {
  const uids = new Set(jobs.map(({ metadata }) => metadata.uid));
  const unknown = (status?.active ?? []).filter(({ uid }) => !uids.has(uid));
  return unknown.map(({ name = '', uid = '' }) => ({ name, uid }));
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
