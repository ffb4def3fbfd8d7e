/**
 * JSON Merge Patch (RFC 7386): members of the patch replace those of the document, null removes, lists are replaced whole.
 * The result shares nothing with either.
 */
import { deepCopy, getOwn, isJsonObject, jsonEquals, setOwn, type JsonObject, type JsonValue } from './json-value.ts';

/** Applies `patch` to `document`, which may be absent. */
export function applyMergePatch(document: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (!isJsonObject(patch)) return deepCopy(patch);
  const result: JsonObject = isJsonObject(document) ? deepCopy(document) : {};
  merge(result, patch);
  return result;
}

/** The smallest patch that turns `from` into `to`. `to` must not hold nulls: a merge patch cannot write them. */
export function createMergePatch(from: JsonObject, to: JsonObject): JsonObject {
  const patch: JsonObject = {};
  for (const key of Object.keys(from)) if (getOwn(to, key) === undefined) setOwn(patch, key, null);
  for (const [key, next] of Object.entries(to)) {
    const old = getOwn(from, key);
    if (next === undefined || jsonEquals(old, next)) continue;
    const both = isJsonObject(old) && isJsonObject(next);
    setOwn(patch, key, both ? createMergePatch(old, next) : deepCopy(next));
  }
  return patch;
}

function merge(target: JsonObject, patch: JsonObject): void {
  for (const key of Object.keys(patch)) {
    const value = patch[key] ?? null;
    if (value === null) delete target[key];
    else if (!isJsonObject(value)) setOwn(target, key, deepCopy(value));
    else {
      const old = getOwn(target, key);
      const member: JsonObject = isJsonObject(old) ? old : {};
      if (member !== old) setOwn(target, key, member);
      merge(member, value);
    }
  }
}
