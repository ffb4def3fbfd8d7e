/** Whether a Job is over, and why. Pure. Source: upstream `pkg/controller/job/job_controller.go`, `success_policy.go`. */
import type { Job } from '../../../../proto/api/batch-v1.ts';
import { parseTime } from '../../../../machinery/meta/time.ts';
import { countsByIndex, type Count } from './count.ts';
import { IndexRanges } from './index-ranges.ts';
import { isIndexed, restartsOf, type JobPod } from './job-pod.ts';

/** The condition that a Job gets as soon as its end is certain; its pods may still run. */
export interface Verdict {
  type: 'FailureTarget' | 'SuccessCriteriaMet';
  reason: string;
  message: string;
}

/** What an earlier run decided stays decided. */
export function knownVerdict({ status }: Job): Verdict | undefined {
  for (const type of ['SuccessCriteriaMet', 'FailureTarget'] as const) {
    const condition = status?.conditions?.find(each => each.type === type && each.status === 'True');
    if (condition !== undefined) return { type, reason: condition.reason ?? '', message: condition.message ?? '' };
  }
  return undefined;
}

/** @param job with its start, if it has begun */
export function judge(job: Job, count: Count, pods: readonly JobPod[], nowMs: number): Verdict | undefined {
  const { spec } = job;
  if (count.failJob !== undefined) return failed('PodFailurePolicy', count.failJob);
  if (count.failed > (spec.backoffLimit ?? 6) || restartedTooOften(job, pods))
    return failed('BackoffLimitExceeded', 'Job has reached the specified backoff limit');
  if ((deadlineMs(job) ?? Infinity) <= nowMs)
    return failed('DeadlineExceeded', 'Job was active longer than specified deadline');
  const { completed, failedIndexes } = count;
  if (countsByIndex(job)) {
    if (spec.maxFailedIndexes !== undefined && failedIndexes.size > spec.maxFailedIndexes)
      return failed('MaxFailedIndexesExceeded', 'Job has exceeded the specified maximal number of failed indexes');
    if (failedIndexes.size > 0 && failedIndexes.size + completed.size >= (spec.completions ?? 0))
      return failed('FailedIndexes', 'Job has failed indexes');
  }
  const rule = metSuccessRule(job, completed);
  return rule === undefined ? undefined : met('SuccessPolicy', `Matched rules at index ${rule}`);
}

/** @param running pods that run on, once surplus ones have been told to end */
export function judgeCompletion({ spec }: Job, { succeeded }: Count, running: number): Verdict | undefined {
  const isEnough = spec.completions === undefined ? succeeded > 0 : succeeded >= spec.completions;
  return isEnough && running === 0 ? met('CompletionsReached', 'Reached expected number of succeeded pods') : undefined;
}

function failed(reason: string, message: string): Verdict {
  return { type: 'FailureTarget', reason, message };
}

function met(reason: string, message: string): Verdict {
  return { type: 'SuccessCriteriaMet', reason, message };
}

/** With `restartPolicy: OnFailure` failures are restarts of containers. */
function restartedTooOften({ spec }: Job, pods: readonly JobPod[]): boolean {
  if (spec.template.spec?.restartPolicy !== 'OnFailure') return false;
  const alive = pods.filter(({ pod }) => pod.status?.phase === 'Running' || pod.status?.phase === 'Pending');
  const restarts = alive.reduce((sum, { pod }) => sum + restartsOf(pod), 0);
  const limit = spec.backoffLimit ?? 6;
  return limit === 0 ? restarts > 0 : restarts >= limit;
}

function metSuccessRule(job: Job, completed: IndexRanges): number | undefined {
  if (!isIndexed(job) || completed.size === 0) return undefined;
  const at = (job.spec.successPolicy?.rules ?? []).findIndex(({ succeededIndexes, succeededCount = Infinity }) => {
    if (succeededIndexes === undefined) return completed.size >= succeededCount;
    const wanted = IndexRanges.parse(succeededIndexes, job.spec.completions ?? 0);
    return wanted.size > 0 && wanted.countIn(completed) >= Math.min(succeededCount, wanted.size);
  });
  return at < 0 ? undefined : at;
}

/** Milliseconds since the epoch; undefined if the job has all the time there is, has not started, or is suspended. */
export function deadlineMs({ spec, status }: Job): number | undefined {
  const startMs = parseTime(status?.startTime ?? '');
  if (startMs === undefined || spec.activeDeadlineSeconds === undefined || spec.suspend === true) return undefined;
  return startMs + spec.activeDeadlineSeconds * 1000;
}
