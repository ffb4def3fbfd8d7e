/**
 * When a pod must leave a node because of its NoExecute taints. Pure.
 * Source: kubernetes.io/docs, "Taints and Tolerations"; upstream `pkg/controller/tainteviction`.
 */
import type { Pod, Taint, Toleration } from '../../../../proto/api/core-v1.ts';
import { parseTime } from '../../../../machinery/meta/time.ts';

/** @returns undefined: it may stay; else the time (ms since the epoch) from which on it must go */
export function evictionTimeMs(pod: Pod, taints: readonly Taint[], nowMs: number): number | undefined {
  const noExecute = taints.filter(taint => taint.effect === 'NoExecute');
  if (noExecute.length === 0) return undefined;
  let dueMs = Infinity;
  for (const taint of noExecute) {
    const tolerating = (pod.spec?.tolerations ?? []).filter(toleration => tolerates(toleration, taint));
    if (tolerating.length === 0) return nowMs;
    // Of several tolerations of one taint the shortest counts.
    const seconds = tolerating.map(t => t.tolerationSeconds).filter(s => s !== undefined);
    if (seconds.length === 0) continue;
    const sinceMs = parseTime(taint.timeAdded ?? '') ?? nowMs;
    dueMs = Math.min(dueMs, sinceMs + Math.max(0, Math.min(...seconds)) * 1000);
  }
  return dueMs === Infinity ? undefined : dueMs;
}

export function tolerates(toleration: Toleration, taint: Taint): boolean {
  const { key = '', operator = 'Equal', value = '', effect = '' } = toleration;
  if (effect !== '' && effect !== taint.effect) return false;
  if (key !== '' && key !== taint.key) return false;
  if (operator === 'Exists') return true;
  return key !== '' && value === (taint.value ?? '');
}
