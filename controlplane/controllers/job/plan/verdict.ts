/** Whether a Job is over, and why. Pure. Source: upstream `pkg/controller/job/job_controller.go`. */
import type { Job, JobStatus } from '../../../../proto/api/batch-v1.ts';
import type { Pod } from '../../../../proto/api/core-v1.ts';
import { parseTime } from '../../../../machinery/meta/time.ts';
import { parseIndexes } from './indexes.ts';
import { isIndexed, restartsOf } from './job-pods.ts';

/** The condition that a Job gets as soon as its end is certain; its pods may still run. */
export interface Verdict {
  type: 'FailureTarget' | 'SuccessCriteriaMet';
  reason: string;
  message: string;
}

/** What of a Job has ended so far. */
export interface Ended {
  /** All failures, those too that are noted and not yet summed up. */
  failed: number;
  completed: Set<number>;
  failedIndexes: Set<number>;
  /** A rule of the failure policy ended the job. */
  failJob: string | undefined;
}

/** What an earlier run decided stays decided. */
export function knownVerdict({ status }: Job): Verdict | undefined {
  for (const type of ['FailureTarget', 'SuccessCriteriaMet'] as const) {
    const condition = status?.conditions?.find(each => each.type === type && each.status === 'True');
    if (condition !== undefined) return { type, reason: condition.reason ?? '', message: condition.message ?? '' };
  }
  return undefined;
}

/** @param status with the counts of now; `active` pods are those that have not ended */
export function judge(
  { job, nowMs }: { readonly job: Job; readonly nowMs: number },
  status: JobStatus,
  ended: Ended,
  active: readonly Pod[],
): Verdict | undefined {
  const { spec } = job;
  const fail = (reason: string, message: string): Verdict => ({ type: 'FailureTarget', reason, message });
  if (ended.failJob !== undefined) return fail('PodFailurePolicy', ended.failJob);
  const limit = spec.backoffLimit ?? 6;
  if (ended.failed > limit || restartedTooOften(job, active)) {
    return fail('BackoffLimitExceeded', 'Job has reached the specified backoff limit');
  }
  const deadlineMs = deadlineOf(status, job);
  if (deadlineMs !== undefined && deadlineMs <= nowMs && spec.suspend !== true) {
    return fail('DeadlineExceeded', 'Job was active longer than specified deadline');
  }
  const { completed, failedIndexes } = ended;
  if (spec.backoffLimitPerIndex !== undefined && isIndexed(job)) {
    if (spec.maxFailedIndexes !== undefined && failedIndexes.size > spec.maxFailedIndexes) {
      return fail('MaxFailedIndexesExceeded', 'Job has exceeded the specified maximal number of failed indexes');
    }
    if (failedIndexes.size > 0 && failedIndexes.size + completed.size >= (spec.completions ?? 0)) {
      return fail('FailedIndexes', 'Job has failed indexes');
    }
  }
  const rule = metSuccessRule(job, completed);
  const met = (reason: string, message: string): Verdict => ({ type: 'SuccessCriteriaMet', reason, message });
  if (rule !== undefined) return met('SuccessPolicy', `Matched rules at index ${rule}`);
  const succeeded = (status.succeeded ?? 0) + (status.uncountedTerminatedPods?.succeeded?.length ?? 0);
  const isEnough =
    spec.completions === undefined ? succeeded > 0 && active.length === 0 : succeeded >= spec.completions;
  return isEnough && spec.suspend !== true
    ? met('CompletionsReached', 'Reached expected number of succeeded pods')
    : undefined;
}

/** With `restartPolicy: OnFailure` failures are restarts of containers. */
function restartedTooOften({ spec }: Job, active: readonly Pod[]): boolean {
  if (spec.template.spec?.restartPolicy !== 'OnFailure') return false;
  const restarts = active.reduce((sum, pod) => sum + restartsOf(pod), 0);
  const limit = spec.backoffLimit ?? 6;
  return limit === 0 ? restarts > 0 : restarts >= limit;
}

function metSuccessRule(job: Job, completed: ReadonlySet<number>): number | undefined {
  const { spec } = job;
  const rules = spec.successPolicy?.rules ?? [];
  const at = rules.findIndex(({ succeededIndexes, succeededCount }) => {
    const wanted =
      succeededIndexes === undefined ? undefined : parseIndexes(succeededIndexes, spec.completions ?? Infinity);
    const got = wanted === undefined ? completed.size : [...wanted].filter(index => completed.has(index)).length;
    return got >= (succeededCount ?? wanted?.size ?? Infinity);
  });
  return at < 0 ? undefined : at;
}

/** Milliseconds since the epoch; undefined if the job has all the time there is, or has not started. */
export function deadlineOf(status: JobStatus, { spec }: Job): number | undefined {
  const startMs = parseTime(status.startTime ?? '');
  if (startMs === undefined || spec.activeDeadlineSeconds === undefined) return undefined;
  return startMs + spec.activeDeadlineSeconds * 1000;
}
