/** What admission has added to quotas in the last moments, as their changes tell. */
import type { ResourceQuota } from '../../../proto/api/core-v1.ts';
import { keyOf } from '../../../machinery/meta/object.ts';
import { addAmounts, type Amounts } from '../../../machinery/meta/pod-resources.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import { addedUsage, SETTLE_MS } from './plan.ts';

interface Seen {
  readonly sinceMs: number;
  charges: { readonly atMs: number; readonly added: Amounts }[];
}

export class RecentCharges {
  private readonly clock: Clock;
  private readonly seen = new Map<string, Seen>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** @param older undefined: it was not known before */
  see(older: ResourceQuota | undefined, newer: ResourceQuota): void {
    const atMs = this.clock.monotonicMs();
    const known = older === undefined ? undefined : this.seen.get(keyOf(newer));
    if (known === undefined || older === undefined) {
      this.seen.set(keyOf(newer), { sinceMs: atMs, charges: [] });
      return;
    }
    const added = addedUsage(older, newer);
    if (added.size === 0) return;
    known.charges = [...known.charges.filter(charge => atMs - charge.atMs < SETTLE_MS), { atMs, added }];
  }

  forget(quota: ResourceQuota): void {
    this.seen.delete(keyOf(quota));
  }

  /** @returns undefined when the quota has not been followed long enough to know */
  of(key: string): Amounts | undefined {
    const nowMs = this.clock.monotonicMs();
    const known = this.seen.get(key);
    if (known === undefined || nowMs - known.sinceMs < SETTLE_MS) return undefined;
    const recent = known.charges.filter(charge => nowMs - charge.atMs < SETTLE_MS);
    return recent.reduce<Amounts>((sum, { added }) => addAmounts(sum, added), new Map());
  }
}
