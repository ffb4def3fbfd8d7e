/** How soon a runtime that sends no events is listed again: often while things change, seldom when they rest. Pure. */

const SOONEST_MS = 250;
/** At rest a node asks no more often than this. */
const LATEST_MS = 10_000;
/** While something is expected to end by itself (a Job's pod, an init container). */
const LATEST_EXPECTING_MS = 1_000;
/** After a minute and a half without a change the list is as rare as it gets. */
const QUIET_SHARE = 9;

/** @param quietMs since anything last changed */
export function relistDelayMs(quietMs: number, expectsEnds: boolean): number {
  const latestMs = expectsEnds ? LATEST_EXPECTING_MS : LATEST_MS;
  return Math.min(latestMs, Math.max(SOONEST_MS, Math.floor(quietMs / QUIET_SHARE)));
}
