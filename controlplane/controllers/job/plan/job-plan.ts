/**
 * What a Job needs next. Pure. Source: upstream `pkg/controller/job/job_controller.go`; kubernetes.io/docs, "Jobs".
 *
 * Every pod that ends is counted exactly once, whatever dies in between: it is first noted in `status.uncountedTerminatedPods` (or in the
 * completed indexes), then its finalizer goes, and when that is seen to be gone the note becomes part of the sum.
 */
import type { Job, JobCondition, JobStatus } from '../../../../proto/api/batch-v1.ts';
import type { Pod } from '../../../../proto/api/core-v1.ts';
import { isConditionTrue, isDeleting, setCondition } from '../../../../machinery/meta/object.ts';
import { formatTime } from '../../../../machinery/meta/time.ts';
import { isPodActive, isPodReady, isPodTerminal } from '../../runtime/plan/pod-state.ts';
import { formatIndexes, parseIndexes } from './indexes.ts';
import {
  endedMs,
  failuresBefore,
  hasFailed,
  hasSucceeded,
  indexOf,
  isIndexed,
  isTracked,
  judgeFailure,
  replacesEndedOnly,
} from './job-pods.ts';
import { deadlineOf, judge, knownVerdict, type Ended, type Verdict } from './verdict.ts';

const FIRST_BACKOFF_MS = 10_000;
const MOST_BACKOFF_MS = 600_000;
const MOST_CREATED = 500;

/** How often pods failed since one last succeeded, and when; kept in memory by the controller. */
export interface Backoff {
  failures: number;
  lastFailureMs: number;
}

export interface JobView {
  job: Job;
  pods: readonly Pod[];
  backoff: Backoff;
  nowMs: number;
}

export interface JobPlan {
  status: JobStatus;
  /** To be let go once the status is written. */
  release: Pod[];
  create: { index: number | undefined; failures: number }[];
  delete: Pod[];
  backoff: Backoff;
  afterMs: number | undefined;
}

export function isFinished({ status }: Job): boolean {
  return isConditionTrue(status?.conditions, 'Complete') || isConditionTrue(status?.conditions, 'Failed');
}

export function planJob(view: JobView): JobPlan {
  const { job, pods, nowMs } = view;
  const count = countEnded(view);
  const plan: JobPlan = {
    status: { ...job.status, ...count.status },
    release: count.release,
    create: [],
    delete: [],
    backoff: count.backoff,
    afterMs: undefined,
  };
  if (isFinished(job) || isDeleting(job)) {
    return { ...plan, status: job.status ?? {}, release: pods.filter(isTracked) };
  }
  const now = formatTime(nowMs);
  const { spec } = job;
  const suspended = spec.suspend === true;
  if (!suspended && plan.status.startTime === undefined) plan.status.startTime = now;
  const active = pods.filter(isPodActive);
  const verdict = knownVerdict(job) ?? judge(view, plan.status, count, active);
  if (verdict !== undefined) plan.delete = active;
  else if (suspended) plan.delete = active;
  else manage(view, plan, count, active);
  plan.status.active = active.length - plan.delete.length + plan.create.length;
  plan.status.ready = active.filter(pod => isPodReady(pod) && !plan.delete.includes(pod)).length;
  const terminating = pods.filter(pod => isDeleting(pod) && !isPodTerminal(pod)).length;
  plan.status.terminating = terminating + plan.delete.length;
  setConditions(plan, job, verdict, now);
  const deadlineMs = deadlineOf(plan.status, job);
  if (verdict === undefined && deadlineMs !== undefined && !suspended) {
    plan.afterMs = Math.min(plan.afterMs ?? Infinity, Math.max(0, deadlineMs - nowMs));
  }
  return plan;
}

interface Count extends Ended {
  status: JobStatus;
  release: Pod[];
  backoff: Backoff;
  hasNewFailure: boolean;
}

/** Notes what ended since, sums up what was let go. */
function countEnded({ job, pods, backoff }: JobView): Count {
  const { spec, status = {} } = job;
  const completions = spec.completions ?? Infinity;
  const tracked = new Map(pods.filter(isTracked).map(pod => [pod.metadata.uid ?? '', pod]));
  const noted = status.uncountedTerminatedPods ?? {};
  const keep = (uids: readonly string[] = []): string[] => uids.filter(uid => tracked.has(uid));
  const [keptSucceeded, keptFailed] = [keep(noted.succeeded), keep(noted.failed)];
  let succeeded = (status.succeeded ?? 0) + (noted.succeeded?.length ?? 0) - keptSucceeded.length;
  const failed = (status.failed ?? 0) + (noted.failed?.length ?? 0) - keptFailed.length;
  const completed = isIndexed(job) ? parseIndexes(status.completedIndexes, completions) : new Set<number>();
  const failedIndexes = parseIndexes(status.failedIndexes, completions);
  const known = new Set([...keptSucceeded, ...keptFailed]);
  const release: Pod[] = [];
  const next = { ...backoff };
  let failJob: string | undefined;
  let hasNewFailure = false;
  for (const [uid, pod] of tracked) {
    if (hasSucceeded(pod)) {
      if (isIndexed(job)) {
        const index = indexOf(pod);
        if (index >= 0 && index < completions && !failedIndexes.has(index)) completed.add(index);
      } else if (!known.has(uid)) keptSucceeded.push(uid);
      next.failures = 0;
    } else if (hasFailed(job, pod)) {
      const { action, message } = judgeFailure(job, pod);
      if (action === 'FailJob') failJob ??= message;
      if (!known.has(uid) && action !== 'Ignore') {
        keptFailed.push(uid);
        hasNewFailure = true;
        next.failures++;
        next.lastFailureMs = Math.max(next.lastFailureMs, endedMs(pod) ?? next.lastFailureMs);
      }
      if (spec.backoffLimitPerIndex !== undefined) {
        const index = indexOf(pod);
        const isLast =
          action === 'FailIndex' || (action === 'Count' && failuresBefore(pod) >= spec.backoffLimitPerIndex);
        if (isLast && index >= 0) failedIndexes.add(index);
        // It remembers how often its index failed, until another pod does.
        if (!isLast && !isReplaced(pod, pods)) continue;
      }
    } else continue;
    release.push(pod);
  }
  if (isIndexed(job)) succeeded = completed.size;
  return {
    status: {
      succeeded,
      failed,
      uncountedTerminatedPods: {
        ...(keptSucceeded.length === 0 ? {} : { succeeded: keptSucceeded }),
        ...(keptFailed.length === 0 ? {} : { failed: keptFailed }),
      },
      ...(isIndexed(job) ? { completedIndexes: formatIndexes(completed) || undefined } : {}),
      ...(spec.backoffLimitPerIndex === undefined ? {} : { failedIndexes: formatIndexes(failedIndexes) }),
    },
    release,
    backoff: next,
    failed: failed + keptFailed.length,
    completed,
    failedIndexes,
    failJob,
    hasNewFailure,
  };
}

function isReplaced(pod: Pod, pods: readonly Pod[]): boolean {
  return pods.some(other => indexOf(other) === indexOf(pod) && failuresBefore(other) > failuresBefore(pod));
}

/** Makes as many pods run as the job wants at once. */
function manage(view: JobView, plan: JobPlan, count: Count, active: readonly Pod[]): void {
  const { job, pods, nowMs } = view;
  const { spec } = job;
  const parallelism = spec.parallelism ?? 1;
  const succeeded = (plan.status.succeeded ?? 0) + (plan.status.uncountedTerminatedPods?.succeeded?.length ?? 0);
  const ending = pods.filter(pod => isDeleting(pod) && !isPodTerminal(pod));
  let wanted = parallelism;
  if (spec.completions === undefined) wanted = succeeded > 0 ? Math.min(active.length, parallelism) : parallelism;
  else wanted = Math.min(parallelism, Math.max(0, spec.completions - succeeded - count.failedIndexes.size));
  const useless = isIndexed(job) ? uselessPods(active, count, spec.completions ?? 0) : [];
  const useful = active.filter(pod => !useless.includes(pod));
  const surplus = [...useful]
    .sort((a, b) => usefulness(a) - usefulness(b))
    .slice(0, Math.max(0, useful.length - wanted));
  plan.delete = [...useless, ...surplus];
  const held = replacesEndedOnly(job) ? ending.length : 0;
  const missing = Math.min(wanted - useful.length - held, MOST_CREATED);
  if (missing <= 0) return;
  const waitMs = spec.backoffLimitPerIndex === undefined ? backoffLeftMs(count.backoff, nowMs) : 0;
  if (waitMs > 0) {
    plan.afterMs = waitMs;
    return;
  }
  if (!isIndexed(job)) {
    plan.create = Array.from({ length: missing }, () => ({ index: undefined, failures: 0 }));
    return;
  }
  const taken = new Set([...useful, ...(replacesEndedOnly(job) ? ending : [])].map(indexOf));
  for (let index = 0; index < (spec.completions ?? 0) && plan.create.length < missing; index++) {
    if (taken.has(index) || count.completed.has(index) || count.failedIndexes.has(index)) continue;
    const { failures, lastFailureMs } = failuresOf(index, job, pods);
    const leftMs = spec.backoffLimitPerIndex === undefined ? 0 : backoffLeftMs({ failures, lastFailureMs }, nowMs);
    if (leftMs > 0) plan.afterMs = Math.min(plan.afterMs ?? Infinity, leftMs);
    else plan.create.push({ index, failures });
  }
}

/** Of several pods of one index one is enough; and of none beyond the end. */
function uselessPods(active: readonly Pod[], count: Count, completions: number): Pod[] {
  const seen = new Set<number>();
  return [...active]
    .sort((a, b) => usefulness(b) - usefulness(a))
    .filter(pod => {
      const index = indexOf(pod);
      const isNeeded = index >= 0 && index < completions && !count.completed.has(index) && !seen.has(index);
      seen.add(index);
      return !isNeeded;
    });
}

/** What runs and is ready has done the most. */
function usefulness(pod: Pod): number {
  return (pod.status?.phase === 'Running' ? 1 : 0) + (isPodReady(pod) ? 1 : 0);
}

function failuresOf(index: number, job: Job, pods: readonly Pod[]): Backoff {
  const failed = pods.filter(pod => indexOf(pod) === index && hasFailed(job, pod));
  const ignored = (pod: Pod): boolean => judgeFailure(job, pod).action === 'Ignore';
  const counts = failed.map(pod => failuresBefore(pod) + (ignored(pod) ? 0 : 1));
  return { failures: Math.max(0, ...counts), lastFailureMs: Math.max(0, ...failed.map(pod => endedMs(pod) ?? 0)) };
}

function backoffLeftMs({ failures, lastFailureMs }: Backoff, nowMs: number): number {
  if (failures === 0) return 0;
  const delayMs = Math.min(FIRST_BACKOFF_MS * 2 ** (failures - 1), MOST_BACKOFF_MS);
  return Math.max(0, lastFailureMs + delayMs - nowMs);
}

function setConditions(plan: JobPlan, job: Job, verdict: Verdict | undefined, now: string): void {
  const { status } = plan;
  let conditions: readonly JobCondition[] = status.conditions ?? [];
  const set = (type: string, value: 'True' | 'False', reason: string, message: string): void => {
    const before = conditions.find(condition => condition.type === type);
    const probed = before?.status === value ? before.lastProbeTime : now;
    conditions = setCondition(conditions, { type, status: value, reason, message, lastProbeTime: probed }, now);
  };
  const wasSuspended = isConditionTrue(conditions, 'Suspended');
  if (verdict === undefined) {
    if (job.spec.suspend === true && !wasSuspended) {
      set('Suspended', 'True', 'JobSuspended', 'Job suspended');
      delete status.startTime;
    } else if (job.spec.suspend !== true && wasSuspended) {
      set('Suspended', 'False', 'JobResumed', 'Job resumed');
      status.startTime = now;
    }
  } else {
    set(verdict.type, 'True', verdict.reason, verdict.message);
    const { succeeded = [], failed = [] } = status.uncountedTerminatedPods ?? {};
    const isOver = status.active === 0 && (status.terminating ?? 0) === 0 && succeeded.length + failed.length === 0;
    if (isOver) {
      const isSuccess = verdict.type === 'SuccessCriteriaMet';
      set(isSuccess ? 'Complete' : 'Failed', 'True', verdict.reason, verdict.message);
      if (isSuccess) status.completionTime = now;
      delete status.uncountedTerminatedPods;
    }
  }
  if (conditions.length > 0) status.conditions = [...conditions];
}
