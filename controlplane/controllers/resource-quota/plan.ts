/**
 * What a namespace uses of a quota. Pure. Source: upstream `pkg/controller/resourcequota`.
 */
import type { ResourceQuota, ResourceQuotaStatus } from '../../../proto/api/core-v1.ts';
import type { KubeObject } from '../../../machinery/meta/object.ts';
import { addAmounts, parseAmounts, type Amounts } from '../../../machinery/meta/pod-resources.ts';
import { inQuotaScope, objectUsage, type CountedKind } from '../../../machinery/meta/quota-usage.ts';
import { Quantity } from '../../../machinery/meta/quantity.ts';

/**
 * Admission adds to `used` a moment before the object can be seen. A sum that is lower than what is written is believed once the quota
 * has not changed for so long.
 */
export const SETTLE_MS = 1000;

export interface QuotaPlan {
  /** Undefined: what is written is right, or may be. */
  status: ResourceQuotaStatus | undefined;
  /** When to look again, where the sum is not believed yet. */
  afterMs: number | undefined;
}

/**
 * @param counted all objects of the namespace that the quota may count, by their kinds
 * @param quietMs for how long the quota has not changed
 */
export function planQuota(
  quota: ResourceQuota,
  counted: ReadonlyMap<CountedKind, readonly KubeObject[]>,
  nowMs: number,
  quietMs: number,
): QuotaPlan {
  const { hard = {} } = quota.spec;
  let sum: Amounts = new Map();
  for (const [kind, objects] of counted) {
    for (const object of objects) {
      if (inQuotaScope(quota, kind, object)) sum = addAmounts(sum, objectUsage(kind, object, nowMs));
    }
  }
  const old = parseAmounts(quota.status?.used);
  const names = Object.keys(hard);
  const used = new Map(names.map(name => [name, sum.get(name) ?? Quantity.zero]));
  const known = Object.keys(quota.status?.used ?? {});
  const sameHard = equalAmounts(parseAmounts(quota.status?.hard), parseAmounts(hard));
  if (sameHard && known.length === names.length && equalAmounts(old, used))
    return { status: undefined, afterMs: undefined };
  const lower = names.some(name => (old.get(name) ?? Quantity.zero).compare(used.get(name) as Quantity) > 0);
  if (lower && quietMs < SETTLE_MS) {
    if (sameHard) return { status: undefined, afterMs: SETTLE_MS - quietMs };
    // New bounds hold at once, by what was counted before.
    for (const name of names) {
      const before = old.get(name);
      if (before !== undefined && before.compare(used.get(name) as Quantity) > 0) used.set(name, before);
    }
    return { status: statusOf(hard, used), afterMs: SETTLE_MS - quietMs };
  }
  return { status: statusOf(hard, used), afterMs: undefined };
}

function statusOf(hard: Record<string, string>, used: Amounts): ResourceQuotaStatus {
  return { hard, used: Object.fromEntries([...used].map(([name, amount]) => [name, amount.toString()])) };
}

function equalAmounts(a: Amounts, b: Amounts): boolean {
  return a.size === b.size && [...a].every(([name, amount]) => b.get(name)?.equals(amount) === true);
}
