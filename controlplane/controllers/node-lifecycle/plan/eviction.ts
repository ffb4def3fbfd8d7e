/**
 * For how long a pod may stay on a node with NoExecute taints. Pure.
 * Source: kubernetes.io/docs, "Taints and Tolerations"; upstream `pkg/controller/tainteviction`.
 */
import type { Pod, Taint } from '../../../../proto/api/core-v1.ts';
import { toleratesTaint } from '../../../../machinery/meta/tolerations.ts';

/** @returns Infinity: as long as it likes; 0: not at all */
export function toleratedMs(pod: Pod, taints: readonly Taint[]): number {
  let seconds = Infinity;
  for (const taint of taints) {
    if (taint.effect !== 'NoExecute') continue;
    const tolerating = (pod.spec.tolerations ?? []).filter(toleration => toleratesTaint(toleration, taint));
    if (tolerating.length === 0) return 0;
    // Of several tolerations of one taint the shortest counts.
    for (const { tolerationSeconds } of tolerating)
      if (tolerationSeconds !== undefined) seconds = Math.min(seconds, Math.max(0, tolerationSeconds));
  }
  return seconds * 1000;
}
