/**
 * Which pods nobody else will clean up. Pure. Source: upstream `pkg/controller/podgc/gc_controller.go`.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import { isPodTerminal } from '../runtime/plan/pod-state.ts';

export interface PodGarbage {
  pod: Pod;
  /** Said in the pod's DisruptionTarget condition; undefined for those that ended anyway. */
  reason: string | undefined;
}

/** A pod of a node that does not exist. Whether the node is really gone is checked before. */
export function planOrphan(pod: Pod): PodGarbage {
  return { pod, reason: isPodTerminal(pod) ? undefined : 'PodGC: node no longer exists' };
}

/** A pod that was deleted before it got a node: no kubelet will end it. */
export function isUnscheduledTerminating(pod: Pod): boolean {
  return pod.metadata.deletionTimestamp !== undefined && (pod.spec?.nodeName ?? '') === '';
}

/** Ended pods beyond `threshold`, oldest first. */
export function planTerminated(pods: readonly Pod[], threshold: number): Pod[] {
  if (threshold <= 0) return [];
  const ended = pods.filter(pod => isPodTerminal(pod) && pod.metadata.deletionTimestamp === undefined);
  if (ended.length <= threshold) return [];
  const age = (pod: Pod): string => `${pod.metadata.creationTimestamp ?? ''} ${pod.metadata.name ?? ''}`;
  return ended.sort((a, b) => (age(a) < age(b) ? -1 : 1)).slice(0, ended.length - threshold);
}
