/**
 * Strategic merge against a second implementation, written from the words of the documentation: lists with a merge key are maps,
 * lists of values are sets, directives are carried out one after the other, and order is a law apart.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { apiTable } from '../../proto/api/schema.ts';
import type { JsonObject, JsonValue } from './json-value.ts';
import { SchemaTable } from './schema-table.ts';
import { StatusError } from './status-error.ts';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';

const schema = new SchemaTable(apiTable).type('api/core/v1', 'Pod');
const word = fc.constantFrom('a', 'b', 'c', 'd');

/** Merge keys as the API's documentation tells them; every other list is replaced. */
const MERGE_KEYS: Readonly<Record<string, string>> = {
  containers: 'name',
  env: 'name',
  ports: 'containerPort',
  volumes: 'name',
  hostAliases: 'ip',
  ownerReferences: 'uid',
};
const VALUE_SETS = new Set(['finalizers']);

type Plain = Record<string, unknown>;

const isPlain = (value: unknown): value is Plain =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const directiveOf = (value: unknown): unknown =>
  isPlain(value) && Object.hasOwn(value, '$patch') ? value['$patch'] : undefined;

/** The model: maps all the way, no order. */
function model(target: unknown, patch: Plain): Plain {
  const directive = directiveOf(patch);
  if (directive === 'delete') return {};
  const members = new Map(directive !== 'replace' && isPlain(target) ? Object.entries(target) : []);
  const kept = patch['$retainKeys'];
  if (Array.isArray(kept) && directive !== 'replace')
    for (const name of members.keys()) if (!kept.includes(name)) members.delete(name);
  for (const [name, value] of Object.entries(patch)) {
    const [word, field] = name.split('/', 2);
    if (word === '$deleteFromPrimitiveList') {
      const list = members.get(field ?? '');
      if (Array.isArray(list))
        members.set(
          field ?? '',
          list.filter(item => !(value as unknown[]).includes(item)),
        );
    }
  }
  for (const [name, value] of Object.entries(patch)) {
    if (name.startsWith('$')) continue;
    if (value === null) members.delete(name);
    else members.set(name, member(name, members.get(name), value));
  }
  return Object.fromEntries(members);
}

function member(name: string, old: unknown, value: unknown): unknown {
  if (isPlain(value)) return model(old, value);
  if (!Array.isArray(value)) return value;
  if (VALUE_SETS.has(name)) return [...new Set([...(Array.isArray(old) ? old : []), ...value] as unknown[])];
  const key = MERGE_KEYS[name];
  if (key === undefined) return value.map(item => (isPlain(item) ? model({}, item) : (item as unknown)));
  let items = new Map((Array.isArray(old) ? (old as Plain[]) : []).map(item => [item[key], item]));
  if (value.some(item => directiveOf(item) === 'replace')) items = new Map();
  for (const item of value as Plain[]) if (directiveOf(item) === 'delete') items.delete(item[key] as never);
  for (const item of value as Plain[])
    if (directiveOf(item) === undefined) items.set(item[key], model(items.get(item[key]), item));
  return [...items.values()];
}

/** The same value with its merged lists in one order, whatever it was. */
function unordered(value: unknown, name = ''): unknown {
  if (Array.isArray(value)) {
    const items = value.map(item => unordered(item));
    const merged = Object.hasOwn(MERGE_KEYS, name) || VALUE_SETS.has(name);
    return merged ? items.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) : items;
  }
  if (!isPlain(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map(key => [key, unordered(value[key], key)]),
  );
}

const keyed = (key: string, ids: fc.Arbitrary<unknown>, rest: Record<string, fc.Arbitrary<unknown>>) =>
  fc.uniqueArray(fc.record({ [key]: ids, ...rest }, { requiredKeys: [key] }), { selector: item => item[key] });
const optional = (fields: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Plain> =>
  fc.record(fields, { requiredKeys: [] }) as fc.Arbitrary<Plain>;
const labels = fc.dictionary(fc.constantFrom('a', 'b', '__proto__', 'constructor'), word, { noNullPrototype: true });
const container = {
  image: word,
  args: fc.array(word, { maxLength: 2 }),
  env: keyed('name', word, { value: word }),
  ports: keyed('containerPort', fc.constantFrom(1, 2, 3), { name: word }),
  resources: optional({ limits: labels }),
};
const pod = optional({
  metadata: optional({ labels, annotations: labels, finalizers: fc.uniqueArray(word) }),
  spec: optional({
    containers: keyed('name', word, container),
    volumes: keyed('name', word, { emptyDir: optional({ medium: word }), hostPath: optional({ path: word }) }),
    hostAliases: keyed('ip', word, { hostnames: fc.array(word, { maxLength: 2 }) }),
    tolerations: fc.array(optional({ key: word }), { maxLength: 2 }),
    hostname: word,
    securityContext: optional({ fsGroup: fc.nat(3), sysctls: fc.array(fc.record({ name: word }), { maxLength: 2 }) }),
  }),
});

/** Turns a plain object into a patch by sprinkling directives and nulls over it, as `dice` fall. */
function sprinkle(value: unknown, dice: () => number, name = ''): unknown {
  if (Array.isArray(value)) {
    const key = MERGE_KEYS[name];
    const items = value.map(item => sprinkle(item, dice));
    if (key === undefined) return items;
    const marked = items.map(item => {
      const { $patch: _replaced, ...rest } = item as Plain;
      const id = (value[items.indexOf(item)] as Plain)[key];
      return dice() < 20 ? { $patch: 'delete', [key]: id } : { ...rest, [key]: id };
    });
    return dice() < 10 ? [...marked, { $patch: 'replace' }] : marked;
  }
  if (!isPlain(value)) return value;
  const patch: Plain = {};
  for (const [key, member] of Object.entries(value)) {
    const set = dice() < 10 ? null : sprinkle(member, dice, key);
    Object.defineProperty(patch, key, { value: set, enumerable: true, writable: true, configurable: true });
  }
  if (name !== '' && dice() < 8) patch['$patch'] = dice() < 60 ? 'replace' : 'delete';
  else if (name !== '' && dice() < 8) patch['$retainKeys'] = Object.keys(patch);
  if (name === 'metadata' && dice() < 30) patch['$deleteFromPrimitiveList/finalizers'] = ['a', 'b'];
  return patch;
}

const patchOf = fc.tuple(pod, fc.infiniteStream(fc.nat(99))).map(([value, stream]) => {
  const numbers = stream[Symbol.iterator]();
  return sprinkle(value, () => numbers.next().value as number) as JsonObject;
});

test('applyStrategicMergePatch() agrees with the model', () => {
  fc.assert(
    fc.property(pod, patchOf, (document, patch) => {
      const patched = applyStrategicMergePatch(document as JsonObject, patch, schema);
      expect(unordered(patched)).toEqual(unordered(model(document, patch)));
    }),
    { numRuns: 300 },
  );
});

test('a patch without lists that replace themselves is idempotent, and leaves its inputs alone', () => {
  fc.assert(
    fc.property(pod, patchOf, (document, patch) => {
      const before = JSON.stringify([document, patch]);
      const once = applyStrategicMergePatch(document as JsonObject, patch, schema);
      expect(applyStrategicMergePatch(once, patch, schema)).toEqual(once);
      expect(JSON.stringify([document, patch])).toBe(before);
    }),
    { numRuns: 300 },
  );
});

test("$setElementOrder decides the order of what it names; the server's own items keep theirs", () => {
  const names = fc.shuffledSubarray(['a', 'b', 'c', 'd', 'e', 'f']);
  fc.assert(
    fc.property(names, names, fc.nat(6), (live, order, changed) => {
      const document = { spec: { containers: live.map(name => ({ name })) } };
      const patch = {
        spec: {
          '$setElementOrder/containers': order.map(name => ({ name })),
          containers: order.slice(0, changed).map(name => ({ name, image: 'x' })),
        },
      };
      const { spec } = applyStrategicMergePatch(document, patch, schema) as {
        spec: { containers: { name: string }[] };
      };
      const result = spec.containers.map(({ name }) => name);
      const named = order.filter(name => live.includes(name) || order.indexOf(name) < changed);
      expect(result.filter(name => order.includes(name))).toEqual(named);
      expect(result.filter(name => !order.includes(name))).toEqual(live.filter(name => !order.includes(name)));
    }),
  );
});

test('any patch gives an object without directives, or a StatusError', () => {
  const key = fc.constantFrom(
    'spec',
    'metadata',
    'containers',
    'name',
    'finalizers',
    '$patch',
    '$retainKeys',
    '$setElementOrder/containers',
    '$deleteFromPrimitiveList/finalizers',
    '__proto__',
  );
  const leaf = fc.constantFrom<JsonValue>('a', 1, null, 'delete', 'replace', true);
  const any = fc.letrec<{ node: JsonValue }>(tie => ({
    node: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc.array(tie('node'), { maxLength: 3 }),
      fc.dictionary(key, tie('node'), { maxKeys: 4, noNullPrototype: true }),
    ),
  })).node;
  fc.assert(
    fc.property(pod, fc.dictionary(key, any, { noNullPrototype: true }), (document, patch) => {
      try {
        return !/"\$(patch|retainKeys|setElementOrder|deleteFrom)[^"]*":/.test(
          JSON.stringify(applyStrategicMergePatch(document as JsonObject, patch, schema)),
        );
      } catch (error) {
        return error instanceof StatusError && error.code === 400;
      }
    }),
    { numRuns: 300 },
  );
});
