/**
 * Strategic merge patch: a merge patch that knows, from the schema, which lists merge item by item and by which key.
 *
 * - Directives: `$patch: replace|delete|merge`, `$retainKeys`, `$deleteFromPrimitiveList/f`, `$setElementOrder/f`.
 * - The result shares nothing with the document or the patch, and holds no directive.
 *
 * Source: apimachinery `util/strategicpatch/patch.go`, 1.36. Differs: `$patch: merge` in an object means what it says.
 */
import {
  canonicalJson,
  deepCopy,
  getOwn,
  isJsonObject,
  setOwn,
  type JsonObject,
  type JsonValue,
} from './json-value.ts';
import { ANY, childSchema, PLAIN_PATCH, type PatchStrategy, type Schema } from './schema.ts';
import { badRequest } from './status-error.ts';
import { restoreOrder, sameItem } from './strategic-order.ts';

const PATCH = '$patch';
const RETAIN_KEYS = '$retainKeys';
const DELETE_FROM = '$deleteFromPrimitiveList/';
const SET_ORDER = '$setElementOrder/';

/**
 * Applies `patch` to `document`.
 *
 * @throws StatusError BadRequest when the patch is malformed
 */
export function applyStrategicMergePatch(document: JsonObject, patch: JsonObject, schema: Schema): JsonObject {
  return mergeObject(deepCopy(document), patch, schema);
}

/** Merges into `target`, which it owns; returns it, or what replaces it. */
function mergeObject(target: JsonObject, patch: JsonObject, schema: Schema): JsonObject {
  const directive = getOwn(patch, PATCH);
  if (directive === 'replace') return mergeMembers({}, patch, schema);
  if (directive === 'delete') return {};
  if (directive !== undefined && directive !== 'merge')
    throw badRequest(`unknown patch type: ${JSON.stringify(directive)}`);
  const retained = getOwn(patch, RETAIN_KEYS);
  if (retained !== undefined) retainKeys(target, patch, retained);
  return mergeMembers(target, patch, schema);
}

function mergeMembers(target: JsonObject, patch: JsonObject, schema: Schema): JsonObject {
  for (const key of Object.keys(patch)) {
    const value = patch[key] ?? null;
    if (key === PATCH || key === RETAIN_KEYS) continue;
    if (key.startsWith(SET_ORDER)) {
      // Where the list itself stands in the patch too, its own turn below puts things in order.
      const field = key.slice(SET_ORDER.length);
      if (!Object.hasOwn(patch, field)) orderList(target, field, value, schema);
    } else if (key.startsWith(DELETE_FROM)) {
      const field = key.slice(DELETE_FROM.length);
      if (!Array.isArray(getOwn(patch, field))) deleteFromList(target, field, value);
    } else if (value === null) delete target[key];
    else mergeMember(target, key, value, patch, schema);
  }
  return target;
}

function mergeMember(target: JsonObject, key: string, value: JsonValue, patch: JsonObject, schema: Schema): void {
  const strategy = strategyOf(schema, key);
  const child = childSchema(schema, key);
  const old = getOwn(target, key);
  if (isJsonObject(value)) {
    setOwn(target, key, mergeObject(isJsonObject(old) && !strategy.replace ? old : {}, value, child));
  } else if (Array.isArray(value)) {
    const deletions = getOwn(patch, DELETE_FROM + key);
    const before = Array.isArray(old) ? (deletions === undefined ? old : without(old, deletions)) : [];
    const order = getOwn(patch, SET_ORDER + key);
    if (order !== undefined) checkOrder(value, listOf(order, key), strategy.mergeKey);
    const merged = strategy.merge
      ? mergeList(before, value, strategy.mergeKey, itemsOf(child))
      : withoutDirectives(value, child);
    setOwn(
      target,
      key,
      order === undefined ? merged : restoreOrder(merged, listOf(order, key), before, strategy.mergeKey),
    );
  } else setOwn(target, key, value);
}

function mergeList(old: JsonValue[], patch: JsonValue[], mergeKey: string | undefined, items: Schema): JsonValue[] {
  if (![...old, ...patch].some(isJsonObject)) {
    const merged = unique([...old, ...withoutDirectives(patch, ANY)]);
    return restoreOrder(merged, patch, old, undefined);
  }
  if (mergeKey === undefined) throw badRequest('cannot merge lists without merge key');
  const { kept, changes, isReplaced } = applyItemDirectives(old, patch, mergeKey);
  // Taken as it comes: keys may stand there twice, as types of a node's addresses do.
  if (isReplaced) return changes.map(change => mergeObject({}, change, items));
  const merged = [...kept];
  const places = new Map<string, number>();
  for (const [i, item] of merged.entries()) {
    const key = isJsonObject(item) ? getOwn(item, mergeKey) : undefined;
    if (key !== undefined && !places.has(String(key))) places.set(String(key), i);
  }
  for (const change of changes) {
    const key = String(keyOf(change, mergeKey));
    const at = places.get(key) ?? merged.length;
    const found = merged[at];
    merged[at] = mergeObject(isJsonObject(found) ? found : {}, change, items);
    places.set(key, at);
  }
  return restoreOrder(merged, changes, kept, mergeKey);
}

/** Carries out `$patch` items of a list; what is left merges as usual. */
function applyItemDirectives(
  old: JsonValue[],
  patch: JsonValue[],
  mergeKey: string,
): { kept: JsonValue[]; changes: JsonObject[]; isReplaced: boolean } {
  const deleted = new Set<string>();
  let isReplaced = false;
  const changes: JsonObject[] = [];
  for (const item of patch) {
    if (!isJsonObject(item)) throw badRequest('a list of objects cannot be merged with other values');
    const directive = getOwn(item, PATCH);
    if (directive === 'delete') {
      const key = getOwn(item, mergeKey);
      if (key === undefined) throw badRequest('delete patch type with no merge key defined');
      deleted.add(String(key));
    } else if (directive === 'replace') {
      isReplaced = true;
      // An item of nothing but the directive says that the list as a whole is replaced.
      if (Object.keys(item).length > 1) changes.push(item);
    } else changes.push(item);
  }
  const stays = (item: JsonValue): boolean => {
    const key = isJsonObject(item) ? getOwn(item, mergeKey) : undefined;
    return key === undefined || !deleted.has(String(key));
  };
  return { kept: deleted.size === 0 ? old : old.filter(stays), changes, isReplaced };
}

/** What a patch adds or changes must stand in its `$setElementOrder`, and in that order. */
function checkOrder(items: readonly JsonValue[], order: readonly JsonValue[], mergeKey: string | undefined): void {
  if (items.length === 0 || order.length === 0) return;
  if (mergeKey !== undefined) for (const item of order) if (isJsonObject(item)) keyOf(item, mergeKey);
  const stated = items.filter(item => !isJsonObject(item) || getOwn(item, PATCH) === undefined);
  let next = 0;
  for (const place of order) {
    const item = stated[next];
    if (item !== undefined && sameItem(item, place, mergeKey)) next++;
  }
  if (next < stated.length)
    throw badRequest(
      `The order in patch list:\n${JSON.stringify(items)}\n doesn't match $setElementOrder list:\n${JSON.stringify(order)}\n`,
    );
}

function retainKeys(target: JsonObject, patch: JsonObject, retained: JsonValue): void {
  const keys = new Set(listOf(retained, RETAIN_KEYS).map(String));
  for (const key of Object.keys(patch)) {
    if (!key.startsWith('$') && patch[key] !== null && !keys.has(key)) {
      throw badRequest(`the field ${JSON.stringify(key)} of the patch is not in its $retainKeys list`);
    }
  }
  for (const key of Object.keys(target)) if (!keys.has(key)) delete target[key];
}

function orderList(target: JsonObject, field: string, order: JsonValue, schema: Schema): void {
  const list = getOwn(target, field);
  if (!Array.isArray(list)) return;
  setOwn(target, field, restoreOrder(list, listOf(order, field), list, strategyOf(schema, field).mergeKey));
}

function deleteFromList(target: JsonObject, field: string, deletions: JsonValue): void {
  const list = getOwn(target, field);
  if (Array.isArray(list)) setOwn(target, field, without(list, deletions));
}

function without(list: JsonValue[], deletions: JsonValue): JsonValue[] {
  const gone = new Set(listOf(deletions, '$deleteFromPrimitiveList').map(canonicalJson));
  return list.filter(item => !gone.has(canonicalJson(item)));
}

/** What a patch value stands for where nothing stood before. */
function withoutDirectives(list: JsonValue[], schema: Schema): JsonValue[] {
  const items = itemsOf(schema);
  const plain = list.filter(
    item => !isJsonObject(item) || getOwn(item, PATCH) === undefined || getOwn(item, PATCH) === 'merge',
  );
  return plain.map(item => {
    if (Array.isArray(item)) return withoutDirectives(item, items);
    return isJsonObject(item) ? mergeObject({}, item, items) : item;
  });
}

function strategyOf(schema: Schema, key: string): PatchStrategy {
  return schema.kind === 'struct' ? (schema.fields.get(key)?.patch ?? PLAIN_PATCH) : PLAIN_PATCH;
}

function itemsOf(schema: Schema): Schema {
  return schema.kind === 'list' ? schema.items : ANY;
}

function listOf(value: JsonValue, what: string): JsonValue[] {
  if (Array.isArray(value)) return value;
  throw badRequest(`the directive for ${what} must be a list`);
}

function keyOf(item: JsonObject, mergeKey: string): JsonValue {
  const key = getOwn(item, mergeKey);
  if (key !== undefined) return key;
  throw badRequest(`map: ${JSON.stringify(item)} does not contain declared merge key: ${mergeKey}`);
}

function unique(list: JsonValue[]): JsonValue[] {
  return [...new Map(list.map(item => [canonicalJson(item), item])).values()];
}
