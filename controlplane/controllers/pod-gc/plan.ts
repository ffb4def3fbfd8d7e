/**
 * Which pods nobody else will clean up, and what is said of them. Pure. Source: upstream `pkg/controller/podgc/gc_controller.go`.
 */
import type { Node, Pod, PodStatus } from '../../../proto/api/core-v1.ts';
import { findCondition, isDeleting, setCondition } from '../../../machinery/meta/object.ts';
import { formatTime } from '../../../machinery/meta/time.ts';
import { isPodTerminal } from '../runtime/plan/pod-state.ts';

const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service';
export const NODE_GONE = 'PodGC: node no longer exists';

/** A pod that was deleted before it got a node: no kubelet will end it. */
export function isUnscheduledTerminating(pod: Pod): boolean {
  return isDeleting(pod) && (pod.spec.nodeName ?? '') === '';
}

/** Somebody has said that the node is off for good, and it is: its pods that are to end have ended. */
export function isOutOfService({ spec, status }: Node): boolean {
  const isSaid = (spec.taints ?? []).some(taint => taint.key === OUT_OF_SERVICE);
  return isSaid && findCondition(status?.conditions, 'Ready')?.status !== 'True';
}

/**
 * The status with which a pod goes that had no chance to end: whoever counts pods must not take it for one that runs.
 *
 * @param why said in its DisruptionTarget condition, where something disrupted it
 * @returns undefined: it has ended anyway
 */
export function failedStatus(pod: Pod, why: string | undefined, nowMs: number): PodStatus | undefined {
  if (isPodTerminal(pod)) return undefined;
  const status: PodStatus = { ...pod.status, phase: 'Failed' };
  if (why === undefined) return status;
  const condition = { type: 'DisruptionTarget', status: 'True', reason: 'DeletionByPodGC', message: why } as const;
  return { ...status, conditions: [...setCondition(pod.status?.conditions, condition, formatTime(nowMs))] };
}

/** Ended pods beyond `threshold`: evicted ones first, then the oldest. */
export function planTerminated(pods: readonly Pod[], threshold: number): Pod[] {
  if (threshold <= 0) return [];
  const ended = pods.filter(pod => isPodTerminal(pod) && !isDeleting(pod));
  if (ended.length <= threshold) return [];
  const isEvicted = ({ status }: Pod): boolean => status?.phase === 'Failed' && status.reason === 'Evicted';
  const rank = (pod: Pod): string =>
    `${isEvicted(pod) ? 0 : 1} ${pod.metadata.creationTimestamp ?? ''} ${pod.metadata.name ?? ''}`;
  return ended.sort((a, b) => (rank(a) < rank(b) ? -1 : 1)).slice(0, ended.length - threshold);
}
