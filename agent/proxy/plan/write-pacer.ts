/**
 * How long to wait before the next write. A single change is written at once, and so is a burst; only whoever writes all the time is held to
 * half of it, so that a stream of changes is gathered into fewer writes and neither fills the processor nor makes others wait for the kernel's lock.
 */

/** So much may be written without a pause. */
const CREDIT_MS = 500;

export class WritePacer {
  private creditMs = CREDIT_MS;
  private atMs = 0;

  /** A write ended at `nowMs` after `durationMs`. */
  wrote(nowMs: number, durationMs: number): void {
    this.refill(nowMs - durationMs);
    this.atMs = nowMs;
    this.creditMs -= durationMs;
  }

  /** 0 for at once; never longer than the last write took. */
  delayMs(nowMs: number): number {
    this.refill(nowMs);
    return Math.max(0, -this.creditMs);
  }

  private refill(nowMs: number): void {
    this.creditMs = Math.min(CREDIT_MS, this.creditMs + Math.max(0, nowMs - this.atMs));
    this.atMs = Math.max(this.atMs, nowMs);
  }
}
