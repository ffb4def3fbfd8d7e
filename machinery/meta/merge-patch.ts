/**
 * JSON Merge Patch (RFC 7386): members of the patch replace those of the document, null removes, lists are replaced whole.
 * The result shares nothing with either.
 */
import { deepCopy, getOwn, isJsonObject, setOwn, type JsonObject, type JsonValue } from './json-value.ts';

/** Applies `patch` to `document`, which may be absent. */
export function applyMergePatch(document: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (!isJsonObject(patch)) return deepCopy(patch);
  const result: JsonObject = isJsonObject(document) ? deepCopy(document) : {};
  merge(result, patch);
  return result;
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
