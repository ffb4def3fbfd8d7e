/**
 * When a pod must leave a node because of its NoExecute taints. Pure.
 * Source: kubernetes.io/docs, "Taints and Tolerations"; upstream `pkg/controller/tainteviction`.
 */
import type { Pod, Taint } from '../../../../proto/api/core-v1.ts';
import { parseTime } from '../../../../machinery/meta/time.ts';
import { toleratesTaint } from '../../../../machinery/meta/tolerations.ts';

/** @returns undefined: it may stay; else the time (ms since the epoch) from which on it must go */
export function evictionTimeMs(pod: Pod, taints: readonly Taint[], nowMs: number): number | undefined {
  const noExecute = taints.filter(taint => taint.effect === 'NoExecute');
  if (noExecute.length === 0) return undefined;
  let dueMs = Infinity;
  for (const taint of noExecute) {
    const tolerating = (pod.spec?.tolerations ?? []).filter(toleration => toleratesTaint(toleration, taint));
    if (tolerating.length === 0) return nowMs;
    // Of several tolerations of one taint the shortest counts.
    const seconds = tolerating.map(t => t.tolerationSeconds).filter(s => s !== undefined);
    if (seconds.length === 0) continue;
    const sinceMs = parseTime(taint.timeAdded ?? '') ?? nowMs;
    dueMs = Math.min(dueMs, sinceMs + Math.max(0, Math.min(...seconds)) * 1000);
  }
  return dueMs === Infinity ? undefined : dueMs;
}
