/**
 * The strategic merge patch that turns one object into another, for clients that patch what they changed.
 * Invariant: `applyStrategicMergePatch(from, diff(from, to))` equals `to`, order of keyed lists included, as long as keyed
 * lists have unique keys and merged lists of plain values no duplicates.
 * Source: apimachinery `util/strategicpatch`, CreateTwoWayMergePatch.
 */
import { deepCopy, getOwn, isJsonObject, jsonEquals, setOwn, type JsonObject, type JsonValue } from './json-value.ts';
import { ANY, childSchema, PLAIN_PATCH, type Schema } from './schema.ts';

/** The smallest patch; `{}` when nothing differs. */
export function createStrategicMergePatch(from: JsonObject, to: JsonObject, schema: Schema): JsonObject {
  const patch: JsonObject = {};
  for (const key of Object.keys(from)) if (getOwn(to, key) === undefined) setOwn(patch, key, null);
  for (const [key, next] of Object.entries(to)) {
    const old = getOwn(from, key);
    if (next === undefined || jsonEquals(old, next)) continue;
    diffMember(patch, key, old, next, schema);
  }
  return patch;
}

function diffMember(patch: JsonObject, key: string, old: JsonValue | undefined, next: JsonValue, schema: Schema): void {
  const strategy = (schema.kind === 'struct' ? schema.fields.get(key)?.patch : undefined) ?? PLAIN_PATCH;
  const child = childSchema(schema, key);
  if (isJsonObject(old) && isJsonObject(next) && !strategy.replace) {
    setOwn(patch, key, withRetainKeys(createStrategicMergePatch(old, next, child), next, strategy.retainKeys));
  } else if (Array.isArray(old) && Array.isArray(next) && strategy.merge) {
    if ([...old, ...next].some(isJsonObject))
      diffItems(patch, key, old, next, strategy.mergeKey, child, strategy.retainKeys);
    else diffPlainItems(patch, key, old, next);
  } else setOwn(patch, key, deepCopy(next));
}

function diffPlainItems(patch: JsonObject, key: string, old: JsonValue[], next: JsonValue[]): void {
  const added = next.filter(item => !old.some(other => jsonEquals(item, other)));
  const removed = old.filter(item => !next.some(other => jsonEquals(item, other)));
  if (removed.length > 0) patch[`$deleteFromPrimitiveList/${key}`] = removed;
  patch[`$setElementOrder/${key}`] = [...next];
  if (added.length > 0) patch[key] = added;
}

function diffItems(
  patch: JsonObject,
  key: string,
  old: JsonValue[],
  next: JsonValue[],
  mergeKey: string | undefined,
  schema: Schema,
  retainKeys: boolean,
): void {
  const before = mergeKey === undefined ? undefined : byKey(old, mergeKey);
  const after = mergeKey === undefined ? undefined : byKey(next, mergeKey);
  if (mergeKey === undefined || before === undefined || after === undefined) {
    // Items that cannot be told apart are replaced together.
    setOwn(patch, key, [...deepCopy(next), { $patch: 'replace' }]);
    return;
  }
  const items = schema.kind === 'list' ? schema.items : ANY;
  const changes: JsonObject[] = [];
  for (const [id, item] of after) {
    const was = before.get(id);
    if (was === undefined) changes.push(deepCopy(item));
    else if (!jsonEquals(was, item)) {
      const diff = withRetainKeys(createStrategicMergePatch(was, item, items), item, retainKeys);
      changes.push({ ...diff, [mergeKey]: getOwn(item, mergeKey) ?? null });
    }
  }
  for (const [id, item] of before)
    if (!after.has(id)) changes.push({ $patch: 'delete', [mergeKey]: getOwn(item, mergeKey) ?? null });
  patch[`$setElementOrder/${key}`] = [...after.values()].map(item => ({ [mergeKey]: getOwn(item, mergeKey) ?? null }));
  if (changes.length > 0) patch[key] = changes;
}

function withRetainKeys(diff: JsonObject, next: JsonObject, retainKeys: boolean): JsonObject {
  return retainKeys ? { ...diff, $retainKeys: Object.keys(next).sort() } : diff;
}

/** Items by merge key; undefined when one has none, or two have the same. */
function byKey(list: JsonValue[], mergeKey: string): Map<string, JsonObject> | undefined {
  const items = new Map<string, JsonObject>();
  for (const item of list) {
    const key = isJsonObject(item) ? getOwn(item, mergeKey) : undefined;
    if (!isJsonObject(item) || key === undefined || items.has(String(key))) return undefined;
    items.set(String(key), item);
  }
  return items;
}
