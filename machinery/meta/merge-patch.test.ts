import { test } from '@jest/globals';
import fc from 'fast-check';
import { isJsonObject, jsonEquals, type JsonObject, type JsonValue } from './json-value.ts';
import { applyMergePatch, createMergePatch } from './merge-patch.ts';

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
const object = fc.dictionary(key, tree(fc.oneof(fc.integer(), fc.string())), {
  noNullPrototype: true,
}) as fc.Arbitrary<JsonObject>;

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

test('createMergePatch() leads from one object to the other', () => {
  fc.assert(fc.property(object, object, (a, b) => jsonEquals(applyMergePatch(a, createMergePatch(a, b)), b)));
});

test('createMergePatch() of equal objects is empty', () => {
  fc.assert(fc.property(object, a => Object.keys(createMergePatch(a, structuredClone(a))).length === 0));
});
