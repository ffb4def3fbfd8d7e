/**
 * Where room could be made for a pod, and where that does the least harm. Pure.
 * Source: kubernetes.io/docs, "Pod Priority and Preemption"; upstream's `pickOneNodeForPreemption` (pkg/scheduler/framework/preemption, 1.36).
 */
import { priorityOf } from '../../../machinery/meta/pod-priority.ts';
import { parseTime } from '../../../machinery/meta/time.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';

/** A node, and the pods that would have to go from it. */
export interface Candidate {
  readonly nodeName: string;
  /** The most important first; at least one. */
  readonly victims: readonly Pod[];
  /** How many of them a disruption budget protects. */
  readonly violations: number;
}

/** For `sort`: the more important first, which is the one of higher priority, or else the one that runs longer. */
export function byImportance(a: Pod, b: Pod): number {
  return priorityOf(b) - priorityOf(a) || order(startMs(a), startMs(b));
}

/** The first of those that do the least harm. */
export function leastHarm(candidates: readonly Candidate[]): Candidate | undefined {
  let best: Candidate | undefined;
  let least: readonly number[] = [];
  for (const candidate of candidates) {
    const harm = harmOf(candidate);
    if (best !== undefined && compare(harm, least) >= 0) continue;
    best = candidate;
    least = harm;
  }
  return best;
}

const harms = new WeakMap<Candidate, readonly number[]>();

/** What counts, the weightiest first; less is better. Kept by the candidate, since the same ones are compared for many pods. */
function harmOf(candidate: Candidate): readonly number[] {
  const known = harms.get(candidate);
  if (known !== undefined) return known;
  const { victims, violations } = candidate;
  const highest = victims.reduce((max, pod) => Math.max(max, priorityOf(pod)), -Infinity);
  // Shifted so that many pods of negative priority do not look cheaper than few.
  const sum = victims.reduce((total, pod) => total + priorityOf(pod) + 2 ** 31, 0);
  const earliest = Math.min(...victims.filter(pod => priorityOf(pod) === highest).map(startMs));
  const harm = [violations, highest, sum, victims.length, -earliest];
  harms.set(candidate, harm);
  return harm;
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i++) {
    const difference = order(a[i] ?? 0, b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

const starts = new WeakMap<Pod, number>();

/** One that has not started is younger than all that have. */
function startMs(pod: Pod): number {
  const known = starts.get(pod);
  if (known !== undefined) return known;
  const start = parseTime(pod.status?.startTime ?? '') ?? Infinity;
  starts.set(pod, start);
  return start;
}

/** As a difference, also of infinities. */
function order(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
