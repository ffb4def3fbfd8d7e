/**
 * What of a Job has ended. Pure. Source: upstream `pkg/controller/job/job_controller.go` (trackJobStatusAndRemoveFinalizers).
 *
 * Every pod that ends is counted exactly once, whatever dies in between: it is first noted in `status.uncountedTerminatedPods` (or in the
 * completed indexes), then its finalizer goes, and when that is seen to be gone the note becomes part of the sum.
 */
import type { Job, JobStatus } from '../../../../proto/api/batch-v1.ts';
import { NO_FAILURES, nextBackoff, type Backoff } from './backoff.ts';
import { IndexRanges } from './index-ranges.ts';
import { failuresBefore, isIndexed, type JobPod } from './job-pod.ts';

export interface Count {
  /** Sums so far, and notes of pods that have not been let go. */
  readonly sums: { readonly succeeded: number; readonly failed: number };
  readonly noted: { readonly succeeded: readonly string[]; readonly failed: readonly string[] };
  /** All that succeeded, those too that are not noted yet. */
  readonly succeeded: number;
  /** All that failed, but for those that the policy ignores. */
  readonly failed: number;
  readonly completed: IndexRanges;
  readonly failedIndexes: IndexRanges;
  /** By index: the failed pod that is kept until another one of its index counts on. */
  readonly kept: ReadonlyMap<number, JobPod>;
  readonly backoff: Backoff;
  /** A rule of the failure policy ends the job. */
  readonly failJob: string | undefined;
}

export function countEnded(job: Job, pods: readonly JobPod[], backoff: Backoff): Count {
  const { status = {} } = job;
  const tracked = pods.filter(pod => pod.isTracked);
  const uids = new Set(tracked.map(({ uid }) => uid));
  const before = status.uncountedTerminatedPods ?? {};
  const noted = { succeeded: stillIn(before.succeeded, uids), failed: stillIn(before.failed, uids) };
  const sums = {
    succeeded: (status.succeeded ?? 0) + (before.succeeded?.length ?? 0) - noted.succeeded.length,
    failed: (status.failed ?? 0) + (before.failed?.length ?? 0) - noted.failed.length,
  };
  const known = new Set([...noted.succeeded, ...noted.failed]);
  const fresh = tracked.filter(pod => !known.has(pod.uid) && (!isIndexed(job) || pod.index >= 0));
  const succeeded = fresh.filter(({ outcome }) => outcome === 'succeeded');
  const failed = fresh.filter(({ outcome }) => outcome === 'failed');
  const counted = failed.filter(({ failure }) => failure.action !== 'Ignore');
  const { completed, failedIndexes } = indexesOf(job, tracked);
  return {
    sums,
    noted,
    succeeded: isIndexed(job) ? completed.size : sums.succeeded + noted.succeeded.length + succeeded.length,
    failed: sums.failed + noted.failed.length + counted.length,
    completed,
    failedIndexes,
    kept: countsByIndex(job) ? keptOf(pods, tracked, completed.union(failedIndexes)) : new Map<number, JobPod>(),
    backoff: countsByIndex(job) ? NO_FAILURES : nextBackoff(backoff, succeeded, failed),
    failJob: pods.find(({ outcome, failure }) => outcome === 'failed' && failure.action === 'FailJob')?.failure.message,
  };
}

/** Whether each index may fail by itself. */
export function countsByIndex(job: Job): boolean {
  return job.spec.backoffLimitPerIndex !== undefined && isIndexed(job);
}

function stillIn(noted: readonly string[] | undefined, uids: ReadonlySet<string>): string[] {
  return (noted ?? []).filter(uid => uids.has(uid));
}

/** An index is in one of both at most: what it came to first holds. */
function indexesOf(job: Job, tracked: readonly JobPod[]): { completed: IndexRanges; failedIndexes: IndexRanges } {
  if (!isIndexed(job)) return { completed: IndexRanges.none, failedIndexes: IndexRanges.none };
  const { spec, status = {} }: { spec: Job['spec']; status?: JobStatus | undefined } = job;
  const limit = spec.completions ?? 0;
  const valid = tracked.filter(({ index }) => index >= 0);
  const wereFailed = countsByIndex(job) ? IndexRanges.parse(status.failedIndexes, limit) : IndexRanges.none;
  const succeeded = valid.filter(pod => pod.outcome === 'succeeded' && !wereFailed.has(pod.index));
  const completed = IndexRanges.parse(status.completedIndexes, limit).union(indexesIn(succeeded));
  if (!countsByIndex(job)) return { completed, failedIndexes: IndexRanges.none };
  const allowed = spec.backoffLimitPerIndex ?? 0;
  const failed = valid.filter(pod => hasFailedIndex(pod, allowed) && !completed.has(pod.index));
  return { completed, failedIndexes: wereFailed.union(indexesIn(failed)) };
}

function indexesIn(pods: readonly JobPod[]): IndexRanges {
  return IndexRanges.of(pods.map(({ index }) => index));
}

function hasFailedIndex({ pod, outcome, failure }: JobPod, allowed: number): boolean {
  if (outcome !== 'failed' || failure.action === 'Ignore') return false;
  return failure.action === 'FailIndex' || failuresBefore(pod).counted >= allowed;
}

/** Pods remember how often their index failed: the last one of each index that goes on stays until its successor is there. */
function keptOf(pods: readonly JobPod[], tracked: readonly JobPod[], over: IndexRanges): Map<number, JobPod> {
  const running = IndexRanges.of(pods.filter(pod => pod.isActive && pod.index >= 0).map(({ index }) => index));
  const kept = new Map<number, JobPod>();
  for (const pod of tracked) {
    const { index, outcome } = pod;
    if (outcome !== 'failed' || index < 0 || over.has(index) || running.has(index)) continue;
    const other = kept.get(index);
    if (other === undefined || isLater(pod, other)) kept.set(index, pod);
  }
  return kept;
}

function isLater(a: JobPod, b: JobPod): boolean {
  const failures = ({ pod }: JobPod): number => failuresBefore(pod).counted + failuresBefore(pod).ignored;
  const difference = failures(a) - failures(b);
  return difference > 0 || (difference === 0 && a.endedMs >= b.endedMs);
}
