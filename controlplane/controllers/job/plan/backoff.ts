/** How long a Job waits before it replaces what failed. Pure. Source: upstream `pkg/controller/job/backoff_utils.go`. */
import type { JobPod } from './job-pod.ts';

const FIRST_MS = 10_000;
const MOST_MS = 600_000;

/** How often pods failed since one last succeeded, and when by the clock that never jumps; remembered by the controller alone. */
export interface Backoff {
  readonly failures: number;
  readonly lastFailureMs: number;
}

export const NO_FAILURES: Backoff = { failures: 0, lastFailureMs: 0 };

/** @param succeeded, @param failed pods that have not been counted before */
export function nextBackoff(before: Backoff, succeeded: readonly JobPod[], failed: readonly JobPod[]): Backoff {
  if (succeeded.length + failed.length === 0) return before;
  const lastSuccessMs = Math.max(-Infinity, ...succeeded.map(({ endedMs }) => endedMs));
  const since = failed.map(({ endedMs }) => endedMs).filter(ms => ms > lastSuccessMs);
  const known = succeeded.length > 0 ? NO_FAILURES : before;
  return {
    failures: known.failures + since.length,
    lastFailureMs: Math.max(known.failures === 0 ? -Infinity : known.lastFailureMs, ...since),
  };
}

/** Doubles with each failure. @param nowMs by that clock @returns milliseconds that are left of it; 0: go on */
export function backoffLeftMs({ failures, lastFailureMs }: Backoff, nowMs: number): number {
  if (failures === 0) return 0;
  const delayMs = Math.min(FIRST_MS * 2 ** Math.min(failures - 1, 10), MOST_MS);
  return Math.max(0, lastFailureMs + delayMs - nowMs);
}
