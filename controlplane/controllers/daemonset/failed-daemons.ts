/**
 * Daemon pods that ended by themselves are deleted, and so made again, less and less often.
 * Source: upstream's failedPodsBackoff, 1 s to 15 min.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { Clock } from '../../../machinery/process/clock.ts';

const FIRST_MS = 1000;
const MOST_MS = 15 * 60_000;

interface Delay {
  delayMs: number;
  untilMs: number;
}

export class FailedDaemons {
  private readonly clock: Clock;
  /** By set and node. */
  private readonly delays = new Map<string, Map<string, Delay>>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** @returns the pods that may go now, and when the next of the others may */
  split(set: string, ended: readonly Pod[]): { ready: Pod[]; retryMs: number | undefined } {
    const nowMs = this.clock.monotonicMs();
    const delays = this.delays.get(set) ?? new Map<string, Delay>();
    const ready: Pod[] = [];
    let retryMs: number | undefined;
    for (const pod of ended) {
      const node = pod.spec.nodeName ?? '';
      const delay = delays.get(node);
      if (delay !== undefined && delay.untilMs > nowMs) {
        retryMs = Math.min(retryMs ?? Infinity, delay.untilMs - nowMs);
        continue;
      }
      ready.push(pod);
      // Long quiet since: it is a new failure.
      const known = delay !== undefined && nowMs - delay.untilMs < 2 * MOST_MS ? delay.delayMs : 0;
      const delayMs = known === 0 ? FIRST_MS : Math.min(known * 2, MOST_MS);
      delays.set(node, { delayMs, untilMs: nowMs + delayMs });
    }
    if (delays.size > 0) this.delays.set(set, delays);
    return { ready, retryMs };
  }

  forget(set: string): void {
    this.delays.delete(set);
  }
}
