/** How long a Job waits before it replaces what failed. Pure. Source: upstream `pkg/controller/job/backoff_utils.go`. */
import { finishedMs, type JobPod } from './job-pod.ts';

const FIRST_MS = 10_000;
const MOST_MS = 600_000;

/** How often pods failed since one last succeeded, and when; remembered by the controller alone. */
export interface Backoff {
  readonly failures: number;
  readonly lastFailureMs: number;
}

export const NO_FAILURES: Backoff = { failures: 0, lastFailureMs: 0 };

/** @param succeeded, @param failed pods that have not been counted before */
export function nextBackoff(before: Backoff, succeeded: readonly JobPod[], failed: readonly JobPod[]): Backoff {
  if (succeeded.length + failed.length === 0) return before;
  const lastSuccessMs = Math.max(-Infinity, ...succeeded.map(({ pod }) => finishedMs(pod)));
  const since = failed.map(({ pod }) => finishedMs(pod)).filter(ms => ms > lastSuccessMs);
  const known = succeeded.length > 0 ? NO_FAILURES : before;
  return { failures: known.failures + since.length, lastFailureMs: Math.max(known.lastFailureMs, ...since) };
}

/** Doubles with each failure. Milliseconds that are left of it; 0: go on. */
export function backoffLeftMs({ failures, lastFailureMs }: Backoff, nowMs: number): number {
  if (failures === 0) return 0;
  const delayMs = Math.min(FIRST_MS * 2 ** Math.min(failures - 1, 10), MOST_MS);
  // Never longer than the delay, should the clock have been set back.
  return Math.min(delayMs, Math.max(0, lastFailureMs + delayMs - nowMs));
}
