/**
 * When nodes were last heard of: by their Leases, or by the heartbeat in their status.
 *
 * A stall of our own is no silence of theirs (plan/silence.ts). What our watch has missed is asked of the server before a node is declared silent.
 */
import type { Lease } from '../../../proto/api/coordination-v1.ts';
import type { Node } from '../../../proto/api/core-v1.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import { leases, nodes } from '../../../machinery/client/resource.ts';
import { findCondition } from '../../../machinery/meta/object.ts';
import { isNotFound } from '../../../machinery/meta/status-error-from.ts';
import type { ControllerContext } from '../runtime/controller.ts';
import { readinessOf } from './plan/health.ts';
import { waitForSign } from './plan/silence.ts';

const LEASE_NAMESPACE = 'kube-node-lease';
/** A node that never said how it is has a little longer, as upstream. */
const STARTUP_EXTRA_MS = 10_000;
/** Even one who is always late sees in the end that a node is gone. */
const MOST_EXTENSIONS = 3;

interface Heard {
  /** Monotonic. */
  lastMs: number;
  /** How often it was given more time because we were late ourselves. */
  extensions: number;
}

export class Heartbeats {
  readonly leases: Informer<Lease>;
  private readonly context: ControllerContext;
  private readonly gracePeriodMs: number;
  private readonly wake: (name: string) => void;
  private readonly heard = new Map<string, Heard>();
  /** Nodes whose silence was told and that have no wake-up. */
  private readonly silent = new Set<string>();

  /** @param wake a node was heard of that has no wake-up */
  constructor(context: ControllerContext, gracePeriodMs: number, wake: (name: string) => void) {
    this.context = context;
    this.gracePeriodMs = gracePeriodMs;
    this.wake = wake;
    this.leases = context.informers.informer(leases, { namespace: LEASE_NAMESPACE });
    const beat = (node: Node): string | undefined => findCondition(node.status?.conditions, 'Ready')?.lastHeartbeatTime;
    context.informers.informer(nodes).addHandler({
      onAdd: ({ metadata: { name = '' } }) => {
        // Who was there before us has its whole time from now on.
        if (!this.heard.has(name)) this.hear(name);
      },
      onUpdate: (older, node) => {
        if (beat(older) !== beat(node) && readinessOf(node) !== 'Unknown') this.hear(node.metadata.name ?? '');
      },
      onDelete: ({ metadata: { name = '' } }) => {
        this.heard.delete(name);
        this.silent.delete(name);
      },
    });
    this.leases.addHandler({
      onAdd: lease => this.hear(lease.metadata.name ?? ''),
      onUpdate: (older, lease) => {
        if (older.spec?.renewTime !== lease.spec?.renewTime) this.hear(lease.metadata.name ?? '');
      },
    });
  }

  /** @returns how long the node may still be silent; 0: it was for too long */
  async silenceLeftMs(node: Node, signal: AbortSignal): Promise<number> {
    const { name = '' } = node.metadata;
    const known = this.heard.get(name);
    if (known === undefined) return this.gracePeriodMs;
    const graceMs = this.graceOf(node);
    const nowMs = this.context.clock.monotonicMs();
    const silentMs = nowMs - known.lastMs;
    if (this.silent.has(name) && silentMs >= graceMs) return 0;
    const waitMs = waitForSign(silentMs, graceMs);
    if (waitMs > 0 && silentMs < graceMs) return waitMs;
    if (waitMs > 0 && known.extensions < MOST_EXTENSIONS) {
      this.heard.set(name, { lastMs: nowMs - graceMs + waitMs, extensions: known.extensions + 1 });
      return waitMs;
    }
    if (await this.renewedMeanwhile(name, signal)) return graceMs;
    this.silent.add(name);
    return 0;
  }

  private graceOf(node: Node): number {
    const isNew = findCondition(node.status?.conditions, 'Ready') === undefined;
    return isNew ? this.gracePeriodMs + Math.min(STARTUP_EXTRA_MS, this.gracePeriodMs) : this.gracePeriodMs;
  }

  private async renewedMeanwhile(name: string, signal: AbortSignal): Promise<boolean> {
    try {
      const live = await this.context.client.of(leases).get({ namespace: LEASE_NAMESPACE, name }, signal);
      const known = this.leases.lister.get(LEASE_NAMESPACE, name);
      if (live.spec?.renewTime === known?.spec?.renewTime) return false;
      this.hear(name);
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  private hear(name: string): void {
    const known = this.heard.has(name);
    this.heard.set(name, { lastMs: this.context.clock.monotonicMs(), extensions: 0 });
    // Later signs of life need no run: the next one comes by its timer and looks at the time.
    if (this.silent.delete(name) || !known) this.wake(name);
  }
}
