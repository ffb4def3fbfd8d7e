/**
 * The order of a merged list: items that the patch names stand as it orders them, the server's own as they stood, and between
 * the two the old order decides where it knows both. An item new to the list goes before the server's own.
 * Source: apimachinery `util/strategicpatch`, normalizeElementOrder.
 */
import { getOwn, isJsonObject, jsonEquals, type JsonValue } from './json-value.ts';

/**
 * @param merged the items, in any order
 * @param wanted the order that the patch asks for: values, or objects with the merge key
 * @param before the list as it stood
 */
export function restoreOrder(
  merged: readonly JsonValue[],
  wanted: readonly JsonValue[],
  before: readonly JsonValue[],
  mergeKey: string | undefined,
): JsonValue[] {
  const rankIn = (list: readonly JsonValue[]): ((item: JsonValue) => number) => {
    const ranks = new Map<string, number>();
    for (const [i, item] of list.entries())
      if (!ranks.has(identity(item, mergeKey))) ranks.set(identity(item, mergeKey), i);
    return item => ranks.get(identity(item, mergeKey)) ?? -1;
  };
  const wantedRank = rankIn(wanted);
  const oldRank = rankIn(before);
  const named = merged.filter(item => wantedRank(item) >= 0).sort((a, b) => wantedRank(a) - wantedRank(b));
  const servers = merged.filter(item => wantedRank(item) < 0).sort((a, b) => oldRank(a) - oldRank(b));
  const ordered: JsonValue[] = [];
  let next = 0;
  for (const item of named) {
    const rank = oldRank(item);
    for (
      let own = servers[next];
      own !== undefined && rank >= 0 && oldRank(own) >= 0 && oldRank(own) < rank;
      own = servers[next]
    ) {
      ordered.push(own);
      next++;
    }
    ordered.push(item);
  }
  return [...ordered, ...servers.slice(next)];
}

/** Whether two items are the same one: equal values, or objects with equal merge keys. */
export function sameItem(a: JsonValue, b: JsonValue, mergeKey: string | undefined): boolean {
  return mergeKey === undefined ? jsonEquals(a, b) : identity(a, mergeKey) === identity(b, mergeKey);
}

function identity(item: JsonValue, mergeKey: string | undefined): string {
  if (mergeKey !== undefined && isJsonObject(item)) return String(getOwn(item, mergeKey));
  return isJsonObject(item) || Array.isArray(item) ? JSON.stringify(item) : `${typeof item}:${String(item)}`;
}
