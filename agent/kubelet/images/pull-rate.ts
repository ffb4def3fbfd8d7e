/**
 * Bounds how many pulls begin in a second: `registryPullQPS` on the long run, `registryBurst` at once.
 *
 * Differs: upstream fails a pull that is too many, and the pod backs off; here it waits its turn.
 */
import type { Clock } from '../../../machinery/process/clock.ts';

export interface PullRateOptions {
  /** Pulls a second; 0: no bound. */
  readonly perSecond: number;
  /** At least 1. */
  readonly burst: number;
  readonly clock: Clock;
}

export class PullRate {
  private readonly options: PullRateOptions;
  /** When the turn of the next one is, if they came without end (monotonic). */
  private nextMs = Number.NEGATIVE_INFINITY;

  constructor(options: PullRateOptions) {
    this.options = options;
  }

  /** Resolves when a pull may begin. @throws the signal's reason */
  async turn(signal: AbortSignal): Promise<void> {
    const { perSecond, burst, clock } = this.options;
    if (perSecond <= 0) return;
    const stepMs = 1000 / perSecond;
    const nowMs = clock.monotonicMs();
    // A burst is what may be taken ahead of time.
    const dueMs = Math.max(this.nextMs, nowMs - (burst - 1) * stepMs);
    this.nextMs = dueMs + stepMs;
    if (dueMs > nowMs) await clock.sleep(dueMs - nowMs, signal);
  }
}
