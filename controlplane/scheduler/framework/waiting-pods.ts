/**
 * Pods that a Permit plugin keeps waiting, their places kept: whoever may decide for them finds them here.
 *
 * A pod goes on once every plugin that made it wait has allowed it. The first rejection, or the first wait that is over, ends it.
 */
import { formatDuration } from '../../../machinery/meta/duration.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';

/** How a wait ended. `plugin` is the one that did not allow it. */
export type PermitVerdict = 'allowed' | { readonly plugin: string; readonly reason: string };

export interface WaitingPod {
  readonly pod: Pod;
  readonly nodeName: string;
  /** Plugins that have not allowed it yet. */
  readonly pending: ReadonlySet<string>;
  allow(plugin: string): void;
  reject(plugin: string, reason: string): void;
}

/** Upstream's bound of what a plugin may ask for. */
const MAX_WAIT_MS = 15 * 60_000;

export class WaitingPods {
  private readonly clock: Clock;
  private readonly byUid = new Map<string, Waiting>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  get(uid: string): WaitingPod | undefined {
    return this.byUid.get(uid);
  }

  list(): WaitingPod[] {
    return [...this.byUid.values()];
  }

  /** Ends the pod's wait if it waits, whatever made it. */
  reject(uid: string, plugin: string, reason: string): boolean {
    const waiting = this.byUid.get(uid);
    waiting?.reject(plugin, reason);
    return waiting !== undefined;
  }

  /** @param waitsMs how long at most, by plugin; not empty */
  wait(pod: Pod, nodeName: string, waitsMs: ReadonlyMap<string, number>): Promise<PermitVerdict> {
    const { uid = '' } = pod.metadata;
    return new Promise(resolve => {
      const waiting = new Waiting(pod, nodeName, waitsMs, this.clock, verdict => {
        this.byUid.delete(uid);
        resolve(verdict);
      });
      this.byUid.set(uid, waiting);
    });
  }
}

class Waiting implements WaitingPod {
  readonly pod: Pod;
  readonly nodeName: string;
  private readonly timers = new Map<string, () => void>();
  private readonly settle: (verdict: PermitVerdict) => void;

  constructor(
    pod: Pod,
    nodeName: string,
    waitsMs: ReadonlyMap<string, number>,
    clock: Clock,
    settle: (verdict: PermitVerdict) => void,
  ) {
    this.pod = pod;
    this.nodeName = nodeName;
    this.settle = settle;
    for (const [plugin, askedMs] of waitsMs) {
      const waitMs = Math.min(askedMs, MAX_WAIT_MS);
      const reason = `rejected due to timeout after waiting ${formatDuration(waitMs * 1e6)} at plugin ${plugin}`;
      this.timers.set(
        plugin,
        clock.after(waitMs, () => this.reject(plugin, reason)),
      );
    }
  }

  get pending(): ReadonlySet<string> {
    return new Set(this.timers.keys());
  }

  allow(plugin: string): void {
    this.timers.get(plugin)?.();
    if (this.timers.delete(plugin) && this.timers.size === 0) this.settle('allowed');
  }

  reject(plugin: string, reason: string): void {
    for (const cancel of this.timers.values()) cancel();
    this.timers.clear();
    this.settle({ plugin, reason });
  }
}
