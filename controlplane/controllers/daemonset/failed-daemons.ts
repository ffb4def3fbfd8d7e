/**
 * Daemon pods that ended by themselves are deleted, and so made again, less and less often.
 * Source: upstream's failedPodsBackoff, 1 s to 15 min.
 */
import type { DaemonSet } from '../../../proto/api/apps-v1.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import { keyOf } from '../../../machinery/meta/object.ts';
import type { Clock } from '../../../machinery/process/clock.ts';

const FIRST_MS = 1000;
const MOST_MS = 15 * 60_000;

interface Delay {
  delayMs: number;
  untilMs: number;
}

export class FailedDaemons {
  private readonly clock: Clock;
  private readonly sets = new Map<string, { generation: number | undefined; byNode: Map<string, Delay> }>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** @returns the pods that may go now, and when the next of the others may */
  split(set: DaemonSet, ended: readonly Pod[]): { ready: Pod[]; retryMs: number | undefined } {
    if (ended.length === 0) return { ready: [], retryMs: undefined };
    const nowMs = this.clock.monotonicMs();
    const delays = this.delaysOf(set);
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
    return { ready, retryMs };
  }

  /** @param key of the set */
  forget(key: string): void {
    this.sets.delete(key);
  }

  /** A set that was changed may have been mended: it starts anew. */
  private delaysOf(set: DaemonSet): Map<string, Delay> {
    const { generation } = set.metadata;
    const known = this.sets.get(keyOf(set));
    if (known !== undefined && known.generation === generation) return known.byNode;
    const byNode = new Map<string, Delay>();
    this.sets.set(keyOf(set), { generation, byNode });
    return byNode;
  }
}
