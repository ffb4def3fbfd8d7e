/**
 * Apply against a model that knows no trees: an object is a map from leaf paths to values, a manager a set of leaf paths.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { KubeObject } from '../object.ts';
import { ANY, PLAIN_PATCH, type FieldSchema, type Schema } from '../schema.ts';
import { StatusError } from '../status-error.ts';
import { applyObject } from './apply-object.ts';
import { decodeFieldSet, difference, encodeFieldSet, equalSets, FieldSet, intersection, union } from './field-set.ts';

const text: Schema = { kind: 'scalar', scalar: 'string', goType: 'string' };
const field = (name: string, schema: Schema): [string, FieldSchema] => [
  name,
  { name, schema, optional: true, omitEmpty: true, pointer: false, patch: PLAIN_PATCH, defaultValue: undefined },
];
const struct = (name: string, ...fields: [string, FieldSchema][]): Schema => ({
  kind: 'struct',
  name,
  goType: name,
  fields: new Map(fields),
  atomic: false,
});
const list = (listType: 'map' | 'set' | 'atomic', items: Schema): Schema => ({
  kind: 'list',
  items,
  goType: '',
  listType,
  mapKeys: listType === 'map' ? ['name'] : [],
});
const item = struct('Item', field('name', text), field('x', text), field('y', text));
const spec = struct(
  'Spec',
  field('a', text),
  field('items', list('map', item)),
  field('tags', list('set', text)),
  field('whole', list('atomic', text)),
  field('map', { kind: 'map', values: text, goType: '', atomic: false }),
);
const schema = struct(
  'Object',
  field('apiVersion', text),
  field('kind', text),
  field('metadata', ANY),
  field('spec', spec),
);

const value = fc.constantFrom('1', '2');
const specArbitrary = fc.record(
  {
    a: value,
    items: fc.uniqueArray(
      fc.record({ name: fc.constantFrom('p', 'q', 'r'), x: value, y: value }, { requiredKeys: ['name'] }),
      { selector: i => i.name, minLength: 1 },
    ),
    tags: fc.uniqueArray(fc.constantFrom('t', 'u', 'v'), { minLength: 1 }),
    whole: fc.array(value, { minLength: 1, maxLength: 2 }),
    map: fc.dictionary(fc.constantFrom('m', 'n', '__proto__'), value, { minKeys: 1 }),
  },
  { requiredKeys: [] },
);
const step = fc.record({ manager: fc.constantFrom('A', 'B', 'C'), spec: specArbitrary, force: fc.boolean() });
type Spec = typeof specArbitrary extends fc.Arbitrary<infer T> ? T : never;

function flatten(value: Spec): Map<string, string> {
  const leaves = new Map<string, string>();
  if (value.a !== undefined) leaves.set('a', value.a);
  for (const one of value.items ?? []) {
    leaves.set(`items/${one.name}`, '');
    leaves.set(`items/${one.name}/name`, one.name);
    if (one.x !== undefined) leaves.set(`items/${one.name}/x`, one.x);
    if (one.y !== undefined) leaves.set(`items/${one.name}/y`, one.y);
  }
  for (const tag of value.tags ?? []) leaves.set(`tags/${tag}`, '');
  if (value.whole !== undefined) leaves.set('whole', JSON.stringify(value.whole));
  for (const [key, one] of Object.entries(value.map ?? {})) leaves.set(`map/${key}`, one);
  return leaves;
}

test('applyObject() agrees with a model of leaves and owners', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 8 }), steps => {
      let live: KubeObject | undefined;
      let leaves = new Map<string, string>();
      const owners = new Map<string, Set<string>>();
      for (const { manager, spec: wanted, force } of steps) {
        const config = { apiVersion: 'v1', kind: 'Object', metadata: { name: 'x' }, spec: wanted } as KubeObject;
        const next = flatten(wanted);
        const others = [...owners].filter(([name]) => name !== manager).map(([, paths]) => paths);
        const taken = [...next].filter(([path, v]) => leaves.has(path) && leaves.get(path) !== v).map(([path]) => path);
        const conflict = others.some(paths => taken.some(path => paths.has(path)));
        let result: KubeObject | undefined;
        try {
          result = applyObject(
            { schema, live, manager, apiVersion: 'v1', now: '2026-01-01T00:00:00Z' },
            config,
            force,
          ).object;
        } catch (error) {
          if (!(error instanceof StatusError)) throw error;
        }
        expect(result === undefined).toBe(conflict && !force);
        if (result === undefined) continue;
        for (const paths of others) for (const path of taken) paths.delete(path);
        const gone = [...(owners.get(manager) ?? [])].filter(
          path => !next.has(path) && !others.some(paths => paths.has(path)),
        );
        leaves = new Map([...leaves, ...next].filter(([path]) => !gone.includes(path)));
        owners.set(manager, new Set(next.keys()));
        live = result;
        expect(flatten((live as KubeObject & { spec?: Spec }).spec ?? {})).toEqual(leaves);
      }
    }),
    { numRuns: 500 },
  );
});

const path = fc.array(fc.constantFrom('f:a', 'f:b', 'f:.', 'k:{"name":"x"}', 'v:"y"', 'i:0'), {
  minLength: 1,
  maxLength: 4,
});
const paths = fc.array(path, { maxLength: 8 });
const setOf = (list: string[][]): FieldSet => {
  const set = new FieldSet();
  for (const one of list) set.insert(one);
  return set;
};
const keys = (set: FieldSet): Set<string> => new Set(set.paths().map(p => JSON.stringify(p)));

test('field sets are sets', () => {
  fc.assert(
    fc.property(paths, paths, (a, b) => {
      const [left, right] = [setOf(a), setOf(b)];
      const [x, y] = [keys(left), keys(right)];
      expect(keys(union(left, right))).toEqual(new Set([...x, ...y]));
      expect(keys(intersection(left, right))).toEqual(new Set([...x].filter(k => y.has(k))));
      expect(keys(difference(left, right))).toEqual(new Set([...x].filter(k => !y.has(k))));
      expect(equalSets(decodeFieldSet(JSON.parse(JSON.stringify(encodeFieldSet(left)))), left)).toBe(true);
      expect([keys(left), keys(right)]).toEqual([x, y]);
    }),
  );
});
