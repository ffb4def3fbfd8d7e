/**
 * What a namespace uses of a quota. Pure. Source: upstream `pkg/controller/resourcequota`.
 *
 * Admission adds to `used` a moment before the object can be seen, so a sum that is lower than what is written may be one that lacks what is on its
 * way. What was added lately is therefore left in; everything else is given back at once, however busy the namespace is.
 */
import type { ResourceQuota, ResourceQuotaStatus } from '../../../proto/api/core-v1.ts';
import type { KubeObject } from '../../../machinery/meta/object.ts';
import { parseAmounts, type Amounts } from '../../../machinery/meta/pod-resources.ts';
import { Quantity } from '../../../machinery/meta/quantity.ts';
import { inQuotaScope } from '../../../machinery/meta/quota-scope.ts';
import type { CountedKind } from '../../../machinery/meta/quota-usage.ts';

/** What admission has added can be seen after so long. */
export const SETTLE_MS = 1000;

export interface QuotaPlan {
  /** Undefined: what is written is right. */
  readonly status: ResourceQuotaStatus | undefined;
  /** More is written than was counted: to be looked at again when that has settled. */
  readonly unsettled: boolean;
}

/** What is counted of a quota's amounts. */
export function sumUsage(
  quota: ResourceQuota,
  counted: ReadonlyMap<CountedKind, readonly KubeObject[]>,
  usageOf: (kind: CountedKind, object: KubeObject) => Amounts,
): Amounts {
  const sum = new Map(Object.keys(quota.spec.hard ?? {}).map(name => [name, Quantity.zero]));
  for (const [kind, objects] of counted) {
    for (const object of objects) {
      if (!inQuotaScope(quota, kind, object)) continue;
      const usage = usageOf(kind, object);
      for (const [name, amount] of sum) {
        const own = usage.get(name);
        if (own !== undefined) sum.set(name, amount.add(own));
      }
    }
  }
  return sum;
}

/**
 * @param sum what was counted
 * @param added what admission has added lately; undefined: who knows
 */
export function planQuota(quota: ResourceQuota, sum: Amounts, added: Amounts | undefined): QuotaPlan {
  const { hard = {} } = quota.spec;
  const written = parseAmounts(quota.status?.used);
  const used = new Map<string, Quantity>();
  let unsettled = false;
  for (const name of Object.keys(hard)) {
    const counted = sum.get(name) ?? Quantity.zero;
    const before = written.get(name);
    const most = added === undefined ? before : counted.add(added.get(name) ?? Quantity.zero);
    const keeps = before !== undefined && most !== undefined && before.compare(counted) > 0;
    const amount = keeps ? (most.compare(before) < 0 ? most : before) : counted;
    if (amount.compare(counted) > 0) unsettled = true;
    used.set(name, amount);
  }
  const same = equalAmounts(written, used) && equalAmounts(parseAmounts(quota.status?.hard), parseAmounts(hard));
  return { status: same ? undefined : statusOf(hard, used), unsettled };
}

/** What `newer` has more than `older`, in the quota's `used`. */
export function addedUsage(older: ResourceQuota, newer: ResourceQuota): Amounts {
  const before = parseAmounts(older.status?.used);
  const grown = [...parseAmounts(newer.status?.used)].map(
    ([name, amount]) => [name, amount.sub(before.get(name) ?? amount)] as const,
  );
  return new Map(grown.filter(([, amount]) => amount.sign() > 0));
}

function statusOf(hard: Record<string, string>, used: Amounts): ResourceQuotaStatus {
  return { hard, used: Object.fromEntries([...used].map(([name, amount]) => [name, amount.toString()])) };
}

function equalAmounts(a: Amounts, b: Amounts): boolean {
  return a.size === b.size && [...a].every(([name, amount]) => b.get(name)?.equals(amount) === true);
}
