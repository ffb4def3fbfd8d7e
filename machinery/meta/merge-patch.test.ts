import { test } from '@jest/globals';
import fc from 'fast-check';
import { isJsonObject, jsonEquals, type JsonValue } from './json-value.ts';
import { applyMergePatch } from './merge-patch.ts';

const key = fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor');
const tree = (leaf: fc.Arbitrary<JsonValue>): fc.Arbitrary<JsonValue> =>
  fc.letrec<{ node: JsonValue }>(tie => ({
    node: fc.oneof(
      { maxDepth: 3 },
      leaf,
      fc.array(tie('node'), { maxLength: 3 }),
      fc.dictionary(key, tie('node'), { maxKeys: 4, noNullPrototype: true }),
    ),
  })).node;
const withNulls = tree(fc.oneof(fc.integer(), fc.constant(null), fc.string()));
/** The pseudo-code of RFC 7386, section 2, over maps. */
function model(target: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (!isJsonObject(patch)) return patch;
  const members = new Map<string, JsonValue>(isJsonObject(target) ? Object.entries(target) : []);
  for (const [name, member] of Object.entries(patch)) {
    if (member === null) members.delete(name);
    else members.set(name, model(members.get(name), member));
  }
  return Object.fromEntries(members);
}

test('applyMergePatch() agrees with the algorithm of RFC 7386', () => {
  fc.assert(fc.property(withNulls, withNulls, (a, b) => jsonEquals(applyMergePatch(a, b), model(a, b))));
});

test('applyMergePatch() is idempotent and changes neither the document nor the patch', () => {
  fc.assert(
    fc.property(withNulls, withNulls, (document, patch) => {
      const before = JSON.stringify([document, patch]);
      const once = applyMergePatch(document, patch);
      return jsonEquals(applyMergePatch(once, patch), once) && JSON.stringify([document, patch]) === before;
    }),
  );
});
