/**
 * The last two points of each node that somebody asked for, fetched from its kubelet.
 *
 * - Nothing is fetched while nobody asks. Points serve all who ask within `FRESH_MS`.
 * - Rates need two points: where the one before is missing or too old, a second one is taken a moment after the first.
 * - A node that does not answer in time is left out, and left alone for `FRESH_MS`.
 */
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import { readNodePoint, type NodePoint } from './plan/node-point.ts';

export interface NodeUsagesOptions {
  /** The text of `/metrics/resource` of that node. */
  readonly fetch: (node: string, signal: AbortSignal) => Promise<string>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Of one node; `older` is before `newer`. */
export interface PointPair {
  readonly older: NodePoint;
  readonly newer: NodePoint;
}

interface Taken {
  readonly point: NodePoint;
  /** Monotonic. */
  readonly atMs: number;
}

interface Known {
  older: Taken | undefined;
  newer: Taken | undefined;
  failedAtMs: number | undefined;
  running: Promise<void> | undefined;
}

const FRESH_MS = 10_000;
/** A rate over longer than that tells nothing of now. */
const MAX_WINDOW_MS = 90_000;
const SECOND_POINT_MS = 1_000;
const NODE_TIMEOUT_MS = 5_000;
const NODES_AT_ONCE = 10;

export class NodeUsages {
  private readonly options: NodeUsagesOptions;
  private readonly known = new Map<string, Known>();

  constructor(options: NodeUsagesOptions) {
    this.options = options;
  }

  /** By node; those that cannot be reached are missing. */
  async of(nodes: readonly string[]): Promise<Map<string, PointPair>> {
    const waiting = [...new Set(nodes)];
    const found = new Map<string, PointPair>();
    const work = async (): Promise<void> => {
      for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
        const pair = await this.pair(node);
        if (pair !== undefined) found.set(node, pair);
      }
    };
    this.forgetOld();
    await Promise.all(Array.from({ length: NODES_AT_ONCE }, work));
    return found;
  }

  /** Points that are too old to be of use: of nodes that are no more, or that nobody asked for again. */
  private forgetOld(): void {
    for (const [node, { newer, failedAtMs, running }] of this.known) {
      const isOfUse = this.isWithin(newer?.atMs, MAX_WINDOW_MS) || this.isWithin(failedAtMs, MAX_WINDOW_MS);
      if (running === undefined && !isOfUse) this.known.delete(node);
    }
  }

  private async pair(node: string): Promise<PointPair | undefined> {
    let known = this.known.get(node);
    if (known === undefined) {
      known = { older: undefined, newer: undefined, failedAtMs: undefined, running: undefined };
      this.known.set(node, known);
    }
    if (!this.isFresh(known)) {
      const mine = known;
      await (known.running ??= this.refresh(node, known).finally(() => (mine.running = undefined)));
    }
    const { older, newer } = known;
    return older === undefined || newer === undefined || !this.isWithin(newer.atMs, MAX_WINDOW_MS)
      ? undefined
      : { older: older.point, newer: newer.point };
  }

  private isFresh({ older, newer, failedAtMs }: Known): boolean {
    if (this.isWithin(failedAtMs, FRESH_MS)) return true;
    return older !== undefined && this.isWithin(newer?.atMs, FRESH_MS);
  }

  private isWithin(atMs: number | undefined, ms: number): boolean {
    return atMs !== undefined && this.options.clock.monotonicMs() - atMs < ms;
  }

  private async refresh(node: string, known: Known): Promise<void> {
    const { clock, logger } = this.options;
    try {
      const first = await this.take(node);
      if (known.newer !== undefined && first.atMs - known.newer.atMs <= MAX_WINDOW_MS) {
        known.older = known.newer;
        known.newer = first;
      } else {
        await clock.sleep(SECOND_POINT_MS);
        known.newer = await this.take(node);
        known.older = first;
      }
      known.failedAtMs = undefined;
    } catch (error) {
      known.older = undefined;
      known.newer = undefined;
      // An autoscaler asks again and again; a node that stays silent is told of once.
      const level = known.failedAtMs === undefined ? 'warn' : 'debug';
      known.failedAtMs = clock.monotonicMs();
      logger[level]({ err: error, node }, 'The kubelet does not say what its node uses');
    }
  }

  private async take(node: string): Promise<Taken> {
    const { clock, fetch } = this.options;
    const text = await fetch(node, AbortSignal.timeout(NODE_TIMEOUT_MS));
    return { point: readNodePoint(text, clock.now()), atMs: clock.monotonicMs() };
  }
}
