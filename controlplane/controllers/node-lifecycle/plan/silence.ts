/**
 * Whether a node's silence is the node's. Pure.
 *
 * Differs from upstream: who looks much later than it meant to (this process stood still, the API was away) could not hear either, and the node
 * may not have been able to speak. It gets the time of one renewal more before it is declared gone.
 */

/** How late a look may be that is on time: a standstill about as long as the grace period makes it late by little. */
const LATE_MS = 1_000;
/** Nodes renew their Leases every 10 s. */
const RENEWAL_MS = 12_000;

/**
 * @param silentMs since the last sign of life, or since the last extension
 * @returns how long to wait before the next look; 0: the node is gone
 */
export function waitForSign(silentMs: number, gracePeriodMs: number): number {
  const lateMs = silentMs - gracePeriodMs;
  if (lateMs < 0) return -lateMs;
  return lateMs >= LATE_MS ? RENEWAL_MS : 0;
}
