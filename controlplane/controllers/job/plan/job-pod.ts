/** What a pod is to its Job: looked at once in a run. Pure. Source: upstream `pkg/controller/job`. */
import type { Job } from '../../../../proto/api/batch-v1.ts';
import type { ContainerStatus, Pod } from '../../../../proto/api/core-v1.ts';
import { findCondition, isDeleting } from '../../../../machinery/meta/object.ts';
import { parseTime } from '../../../../machinery/meta/time.ts';
import { isPodActive, isPodReady, isPodTerminal } from '../../runtime/plan/pod-state.ts';
import { judgeFailure, type FailureVerdict } from './failure-policy.ts';

/** Keeps a pod that ended until the job has counted it. */
export const TRACKING_FINALIZER = 'batch.kubernetes.io/job-tracking';
export const INDEX = 'batch.kubernetes.io/job-completion-index';
export const FAILURE_COUNT = 'batch.kubernetes.io/job-index-failure-count';
export const IGNORED_FAILURE_COUNT = 'batch.kubernetes.io/job-index-ignored-failure-count';

export interface JobPod {
  readonly pod: Pod;
  readonly uid: string;
  /** The index that it works on, -1 if it has none. */
  readonly index: number;
  /** Not counted, or counted and not yet let go. */
  readonly isTracked: boolean;
  /** Neither ended nor ending. */
  readonly isActive: boolean;
  readonly isReady: boolean;
  /** Deleted, and not ended yet. */
  readonly isTerminating: boolean;
  readonly outcome: 'succeeded' | 'failed' | undefined;
  /** When it ended, if it has; by the clock that never jumps. */
  readonly endedMs: number;
  /** What the job's policy makes of it, should it have failed. */
  readonly failure: FailureVerdict;
}

/**
 * @param released uids of pods whose finalizer is off, though the pod does not show it yet
 * @param endOf when a pod ended, by the clock that never jumps
 */
export function jobPodOf(job: Job, pod: Pod, released: ReadonlySet<string>, endOf: (pod: Pod) => number): JobPod {
  const uid = pod.metadata.uid ?? '';
  const outcome = outcomeOf(job, pod);
  return {
    pod,
    uid,
    index: indexOf(job, pod),
    isTracked: isTracked(pod) && !released.has(uid),
    isActive: isPodActive(pod),
    isReady: isPodReady(pod),
    isTerminating: isDeleting(pod) && !isPodTerminal(pod),
    outcome,
    endedMs: outcome === undefined ? 0 : endOf(pod),
    failure: judgeFailure(job.spec, pod),
  };
}

export function isIndexed({ spec }: Job): boolean {
  return spec.completionMode === 'Indexed';
}

/** Pods that are being ended are replaced once they have ended, not before. */
export function replacesEndedOnly({ spec }: Job): boolean {
  return spec.podReplacementPolicy === 'Failed' || spec.podFailurePolicy !== undefined;
}

export function isTracked(pod: Pod): boolean {
  return pod.metadata.finalizers?.includes(TRACKING_FINALIZER) === true;
}

function outcomeOf(job: Job, pod: Pod): JobPod['outcome'] {
  const phase = pod.status?.phase;
  if (phase === 'Succeeded') return 'succeeded';
  // A pod that is deleted may never come to say that it failed: its node may be gone.
  return phase === 'Failed' || (isDeleting(pod) && !replacesEndedOnly(job)) ? 'failed' : undefined;
}

function indexOf({ spec }: Job, pod: Pod): number {
  const text = pod.metadata.annotations?.[INDEX] ?? '';
  const index = /^\d+$/.test(text) ? Number(text) : -1;
  return index < (spec.completions ?? 0) ? index : -1;
}

/** How many pods of the same index failed before this one; `ignored`: by the job's policy. */
export function failuresBefore({ metadata }: Pod): { counted: number; ignored: number } {
  const read = (name: string): number => {
    const text = metadata.annotations?.[name] ?? '';
    return /^\d{1,9}$/.test(text) ? Number(text) : 0;
  };
  return { counted: read(FAILURE_COUNT), ignored: read(IGNORED_FAILURE_COUNT) };
}

/** When the last of its containers ended, or the best guess; by the clock of its node. Milliseconds since the epoch. */
export function finishedMs({ metadata, spec, status }: Pod): number {
  const ms = (time: string | undefined): number | undefined => parseTime(time ?? '');
  const sidecars = new Set((spec.initContainers ?? []).filter(c => c.restartPolicy === 'Always').map(c => c.name));
  const ends = [
    ...(status?.containerStatuses ?? []),
    ...(status?.initContainerStatuses ?? []).filter(({ name }) => sidecars.has(name)),
  ].map(({ state }) => ms(state?.terminated?.finishedAt));
  const known = ends.filter(end => end !== undefined);
  if (ends.length > 0 && known.length === ends.length) return Math.max(...known);
  const ready = findCondition(status?.conditions, 'Ready');
  const unreadyMs = ready?.status === 'False' ? ms(ready.lastTransitionTime) : undefined;
  if (unreadyMs !== undefined) return unreadyMs;
  const deletedMs = ms(metadata.deletionTimestamp);
  if (deletedMs !== undefined) return deletedMs - (metadata.deletionGracePeriodSeconds ?? 0) * 1000;
  return ms(metadata.creationTimestamp) ?? 0;
}

/** Of all its containers, in place. */
export function restartsOf({ status }: Pod): number {
  const all: ContainerStatus[] = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  return all.reduce((sum, { restartCount }) => sum + (restartCount ?? 0), 0);
}
