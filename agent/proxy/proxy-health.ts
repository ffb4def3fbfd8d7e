/**
 * Whether the proxy keeps up: what was queued is in effect, or waits for less than a minute; and whether this node should get traffic from load
 * balancers at all.
 *
 * Source: kube-proxy's `/healthz` and `/livez`; KEP-3458 (a node that is being deleted, or that the cluster autoscaler is about to remove,
 * drains by failing `/healthz`).
 */
import type { Node } from '../../proto/api/core-v1.ts';
import type { Clock } from '../../machinery/process/clock.ts';
import type { AddressFamily } from './plan/address.ts';

const TIMEOUT_MS = 60_000;
const TO_BE_DELETED = 'ToBeDeletedByClusterAutoscaler';

export interface HealthAnswer {
  readonly ok: boolean;
  /** As upstream writes it, JSON. */
  readonly body: string;
}

export class ProxyHealth {
  private readonly clock: Clock;
  private readonly node: () => Node | undefined;
  /** Since when something waits to be written; undefined if nothing does. */
  private readonly waitingSinceMs = new Map<AddressFamily, number | undefined>();
  private syncedAtMs: number | undefined;

  constructor(options: { clock: Clock; node: () => Node | undefined }) {
    this.clock = options.clock;
    this.node = options.node;
  }

  queued(family: AddressFamily): void {
    if (this.waitingSinceMs.get(family) === undefined) this.waitingSinceMs.set(family, this.clock.monotonicMs());
  }

  synced(family: AddressFamily): void {
    this.waitingSinceMs.set(family, undefined);
    this.syncedAtMs = this.clock.now();
  }

  /** Rules are as services ask, or were a moment ago. */
  isKeepingUp(): boolean {
    const nowMs = this.clock.monotonicMs();
    if (this.syncedAtMs === undefined) return false;
    return [...this.waitingSinceMs.values()].every(since => since === undefined || nowMs - since < TIMEOUT_MS);
  }

  /** For those who restart it. */
  livez(): HealthAnswer {
    return this.answer(this.isKeepingUp(), {});
  }

  /** For load balancers. */
  healthz(): HealthAnswer {
    const nodeEligible = isEligible(this.node());
    return this.answer(this.isKeepingUp() && nodeEligible, { nodeEligible });
  }

  private answer(ok: boolean, more: object): HealthAnswer {
    const currentTime = new Date(this.clock.now()).toISOString();
    // A proxy that is well is up to date.
    const updatedAtMs = ok ? this.clock.now() : (this.syncedAtMs ?? 0);
    return { ok, body: JSON.stringify({ lastUpdated: new Date(updatedAtMs).toISOString(), currentTime, ...more }) };
  }
}

function isEligible(node: Node | undefined): boolean {
  if (node === undefined) return true;
  if (node.metadata.deletionTimestamp !== undefined) return false;
  return node.spec?.taints?.some(taint => taint.key === TO_BE_DELETED) !== true;
}
