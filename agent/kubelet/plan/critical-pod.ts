/**
 * Pods that a node cannot do without: neither evicted nor turned away for pressure.
 * Source: kubernetes 1.36 `pkg/kubelet/types/pod_update.go`, IsCriticalPod.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import { priorityOf } from '../../../machinery/meta/pod-priority.ts';

/** Of `system-cluster-critical`, the lower of the two. */
export const CRITICAL_PRIORITY = 2_000_000_000;

/** Static pods, their mirrors, and what has a system priority. */
export function isCriticalPod(pod: Pod): boolean {
  const isMirror = pod.metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined;
  return isStaticPod(pod) || isMirror || priorityOf(pod) >= CRITICAL_PRIORITY;
}

/** Whether the pod comes from the node's own files, not from the API. */
export function isStaticPod({ metadata }: Pod): boolean {
  const source = metadata.annotations?.['kubernetes.io/config.source'];
  return source !== undefined && source !== 'api';
}
