/**
 * Apply and update against a second implementation that knows only sets of paths and what structured-merge-diff says about
 * them: no trees, no sharing, no schema but the shape below.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { KubeObject } from '../object.ts';
import { ANY, PLAIN_PATCH, type FieldSchema, type Schema } from '../schema.ts';
import { StatusError } from '../status-error.ts';
import { applyObject } from './apply-object.ts';
import { trackUpdate } from './track-update.ts';

/** A type: struct of fields, map, list with a key, set of values, or a value owned as a whole. */
type Shape =
  | { kind: 'struct'; fields: Record<string, Shape> }
  | { kind: 'map'; of: Shape }
  | { kind: 'list'; key: string; of: Shape }
  | { kind: 'set' }
  | { kind: 'leaf' };

const leaf: Shape = { kind: 'leaf' };
const item: Shape = { kind: 'struct', fields: { name: leaf, x: leaf, y: leaf, m: { kind: 'map', of: leaf } } };
const spec: Shape = {
  kind: 'struct',
  fields: {
    a: leaf,
    inner: { kind: 'struct', fields: { b: leaf, c: leaf } },
    items: { kind: 'list', key: 'name', of: item },
    tags: { kind: 'set' },
    map: { kind: 'map', of: leaf },
  },
};
const shape: Shape = { kind: 'struct', fields: { spec } };

function schemaOf(type: Shape): Schema {
  switch (type.kind) {
    case 'leaf':
      return ANY;
    case 'map':
      return { kind: 'map', values: schemaOf(type.of), goType: '', atomic: false };
    case 'set':
      return { kind: 'list', items: ANY, goType: '', listType: 'set', mapKeys: [] };
    case 'list':
      return { kind: 'list', items: schemaOf(type.of), goType: '', listType: 'map', mapKeys: [type.key] };
    case 'struct': {
      const fields = Object.entries(type.fields).map(([name, of]): [string, FieldSchema] => [
        name,
        {
          name,
          schema: schemaOf(of),
          optional: true,
          omitEmpty: false,
          pointer: true,
          patch: PLAIN_PATCH,
          defaultValue: undefined,
        },
      ]);
      return { kind: 'struct', name: '', goType: '', fields: new Map(fields), atomic: false };
    }
  }
}
const identity: Shape = { kind: 'struct', fields: { name: leaf, managedFields: leaf } };
const schema = schemaOf({ kind: 'struct', fields: { spec, metadata: identity, apiVersion: leaf, kind: leaf } });

type Tree = Record<string, unknown>;
type Paths = Map<string, { leaf: string | undefined; named: boolean }>;

/** Every path of a value: `leaf` is its JSON, undefined for containers; `named` for fields of structs. */
function pathsOf(type: Shape, value: unknown, at = '', named = false, into: Paths = new Map()): Paths {
  if (at !== '') into.set(at, { leaf: type.kind === 'leaf' ? JSON.stringify(value) : undefined, named });
  if (type.kind === 'struct')
    for (const [key, child] of Object.entries(value as Tree))
      pathsOf(type.fields[key] ?? leaf, child, `${at}/${key}`, true, into);
  if (type.kind === 'map')
    for (const [key, child] of Object.entries(value as Tree)) pathsOf(type.of, child, `${at}/${key}`, false, into);
  if (type.kind === 'list')
    for (const child of value as Tree[]) pathsOf(type.of, child, `${at}/[${String(child[type.key])}]`, false, into);
  if (type.kind === 'set')
    for (const child of value as string[]) into.set(`${at}/=${child}`, { leaf: '', named: false });
  return into;
}

/** What an applied value owns: leaves, items and keys of maps; not the structs and lists on the way to them. */
function statedBy(value: unknown): Set<string> {
  return new Set([...pathsOf(shape, value)].filter(([, p]) => p.leaf !== undefined || !p.named).map(([path]) => path));
}

function without(type: Shape, value: unknown, gone: Set<string>, at = ''): unknown {
  if (type.kind === 'leaf') return value;
  if (type.kind === 'set') return (value as string[]).filter(child => !gone.has(`${at}/=${child}`));
  if (type.kind === 'list')
    return (value as Tree[])
      .map(child => ({ child, path: `${at}/[${String(child[type.key])}]` }))
      .filter(({ path }) => !gone.has(path))
      .map(({ child, path }) => without(type.of, child, gone, path));
  return Object.fromEntries(
    Object.entries(value as Tree)
      .filter(([key]) => !gone.has(`${at}/${key}`))
      .map(([key, child]) => [
        key,
        without(type.kind === 'map' ? type.of : (type.fields[key] ?? leaf), child, gone, `${at}/${key}`),
      ]),
  );
}

function merged(type: Shape, live: unknown, config: unknown): unknown {
  if (live === undefined || type.kind === 'leaf') return config;
  if (type.kind === 'set') return [...new Set([...(live as string[]), ...(config as string[])])];
  if (type.kind === 'list') {
    const items = new Map((live as Tree[]).map(child => [child[type.key], child]));
    for (const child of config as Tree[])
      items.set(child[type.key], merged(type.of, items.get(child[type.key]), child) as Tree);
    return [...items.values()];
  }
  const result = new Map(Object.entries(live as Tree));
  for (const [key, child] of Object.entries(config as Tree))
    result.set(key, merged(type.kind === 'map' ? type.of : (type.fields[key] ?? leaf), result.get(key), child));
  return Object.fromEntries(result);
}

/** Named fields on the way to an owned path count as owned when it is about what to remove. */
function ensured(set: Set<string>, all: Paths): Set<string> {
  const result = new Set(set);
  for (const [path, { named }] of all)
    if (named && [...set].some(owned => owned.startsWith(`${path}/`))) result.add(path);
  return result;
}

class Oracle {
  live: Tree = {};
  readonly owners = new Map<string, Set<string>>();

  /** False for a conflict. */
  apply(manager: string, config: Tree, force: boolean): boolean {
    const key = `${manager}/Apply`;
    const next = merged(shape, this.live, config) as Tree;
    const last = this.owners.get(key) ?? new Set<string>();
    const all = pathsOf(shape, next);
    const others = [...this.owners].filter(([name]) => name !== key);
    const managed = ensured(new Set([...others.flatMap(([, set]) => [...set]), ...statedBy(config)]), all);
    const gone = new Set([...ensured(last, all)].filter(path => !managed.has(path)));
    const pruned = without(shape, next, gone) as Tree;
    const { added, modified, removed } = this.#compare(pruned);
    if (!force && others.some(([, set]) => [...added, ...modified].some(path => set.has(path)))) return false;
    this.#settle(key, added, modified, removed);
    this.owners.set(key, statedBy(config));
    this.live = pruned;
    return true;
  }

  update(manager: string, next: Tree): void {
    const key = `${manager}/Update`;
    const { added, modified, removed } = this.#compare(next);
    const own = new Set([...(this.owners.get(key) ?? [])].filter(path => !removed.has(path)));
    this.#settle(key, added, modified, removed);
    this.owners.set(key, new Set([...own, ...added, ...modified]));
    this.live = next;
  }

  #compare(next: Tree): { added: Set<string>; modified: Set<string>; removed: Set<string> } {
    const [before, after] = [pathsOf(shape, this.live), pathsOf(shape, next)];
    return {
      added: new Set([...after.keys()].filter(path => !before.has(path))),
      removed: new Set([...before.keys()].filter(path => !after.has(path))),
      modified: new Set(
        [...after].filter(([path, p]) => before.has(path) && before.get(path)?.leaf !== p.leaf).map(([path]) => path),
      ),
    };
  }

  #settle(key: string, added: Set<string>, modified: Set<string>, removed: Set<string>): void {
    for (const [name, set] of this.owners)
      if (name !== key) for (const path of [...added, ...modified, ...removed]) set.delete(path);
  }
}

/** managedFields as sets of the oracle's paths. */
function ownersOf(object: KubeObject | undefined): Record<string, string[]> {
  const owners: Record<string, string[]> = {};
  for (const { manager, operation, fieldsV1 } of object?.metadata.managedFields ?? []) {
    const found: string[] = [];
    const visit = (node: Tree, at: string): void => {
      for (const [step, child] of Object.entries(node)) {
        if (step === '.') continue;
        const rest = step.slice(2);
        const text = step.startsWith('f:')
          ? rest
          : step.startsWith('v:')
            ? `=${JSON.parse(rest) as string}`
            : `[${(JSON.parse(rest) as { name: string }).name}]`;
        const members = child as Tree;
        if (Object.keys(members).length === 0 || Object.hasOwn(members, '.')) found.push(`${at}/${text}`);
        visit(members, `${at}/${text}`);
      }
    };
    visit(fieldsV1 as unknown as Tree, '');
    owners[`${manager ?? ''}/${operation ?? ''}`] = found.sort();
  }
  return owners;
}

const value = fc.constantFrom('1', '2');
const optional = (fields: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Tree> =>
  fc.record(fields, { requiredKeys: [] }).filter(made => Object.keys(made).length > 0) as fc.Arbitrary<Tree>;
const mapOf = fc.dictionary(fc.constantFrom('m', 'n', '__proto__', 'constructor'), value, {
  minKeys: 1,
  noNullPrototype: true,
});
const specs = optional({
  a: value,
  inner: optional({ b: value, c: value }),
  items: fc.uniqueArray(
    fc.record({ name: fc.constantFrom('p', 'q', 'r'), x: value, y: value, m: mapOf }, { requiredKeys: ['name'] }),
    { selector: made => made.name, minLength: 1 },
  ),
  tags: fc.uniqueArray(fc.constantFrom('t', 'u', 'v'), { minLength: 1 }),
  map: mapOf,
});
const step = fc.record({
  manager: fc.constantFrom('A', 'B', 'C'),
  config: fc.oneof(
    { weight: 8, arbitrary: specs.map(made => ({ spec: made })) },
    { weight: 1, arbitrary: fc.constant({}) },
  ),
  how: fc.constantFrom('apply', 'apply', 'force', 'update'),
});

/** Merged lists in one order. */
function unordered(tree: unknown): unknown {
  if (Array.isArray(tree)) return tree.map(unordered).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  if (typeof tree !== 'object' || tree === null) return tree;
  return Object.fromEntries(
    Object.entries(tree)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, child]) => [key, unordered(child)]),
  );
}

const KIND = { apiVersion: 'v1', kind: 'Object' };
const change = (manager: string, live: KubeObject | undefined, now = '2026-01-01T00:00:00Z') => ({
  schema,
  live,
  manager,
  apiVersion: 'v1',
  now,
});

test('apply and update agree with the oracle, in values and in ownership', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 8 }), steps => {
      const oracle = new Oracle();
      let live: KubeObject | undefined;
      for (const { manager, config, how } of steps) {
        const object = { ...KIND, metadata: { name: 'x' }, ...structuredClone(config) } as unknown as KubeObject;
        if (how === 'update') {
          // Objects without owners are not tracked, which is no matter of algebra.
          if (live !== undefined && live.metadata.managedFields === undefined) continue;
          oracle.update(manager, structuredClone(config) as Tree);
          const managedFields = trackUpdate(change(manager, live), object);
          live = {
            ...object,
            metadata: { name: 'x', ...(managedFields === undefined ? {} : { managedFields }) },
          } as KubeObject;
        } else {
          if (live !== undefined && live.metadata.managedFields === undefined) continue;
          let result: KubeObject | undefined;
          try {
            result = applyObject(change(manager, live), object, how === 'force').object;
          } catch (error) {
            if (!(error instanceof StatusError) || error.code !== 409) throw error;
          }
          expect(result !== undefined).toBe(oracle.apply(manager, structuredClone(config) as Tree, how === 'force'));
          if (result !== undefined) live = result;
        }
        const { apiVersion: _a, kind: _k, metadata: _m, ...rest } = (live ?? {}) as unknown as Tree;
        expect(unordered(rest)).toEqual(unordered(oracle.live));
        const owners = Object.fromEntries(
          [...oracle.owners].filter(([, set]) => set.size > 0).map(([name, set]) => [name, [...set].sort()]),
        );
        expect(ownersOf(live)).toEqual(owners);
      }
    }),
    { numRuns: 400 },
  );
});

test('applying the same again changes nothing, times included', () => {
  fc.assert(
    fc.property(specs, specs, (first, second) => {
      const of = (made: Tree): KubeObject =>
        ({ ...KIND, metadata: { name: 'x' }, spec: made }) as unknown as KubeObject;
      const shared = applyObject(
        change('B', applyObject(change('A', undefined), of(first), false).object),
        of(second),
        true,
      ).object;
      const again = applyObject(change('B', shared, '2027-01-01T00:00:00Z'), of(second), false);
      expect(again.changed).toBe(false);
      expect(again.object).toEqual(shared);
    }),
  );
});

test('managers of different fields commute', () => {
  const left = optional({ a: value, items: fc.constant([{ name: 'p', x: '1' }]), tags: fc.constant(['t']) });
  const right = optional({
    inner: optional({ b: value }),
    items: fc.constant([{ name: 'q', y: '1' }]),
    tags: fc.constant(['u']),
    map: mapOf,
  });
  fc.assert(
    fc.property(left, right, (a, b) => {
      const of = (made: Tree): KubeObject =>
        ({ ...KIND, metadata: { name: 'x' }, spec: made }) as unknown as KubeObject;
      const one = applyObject(
        change('B', applyObject(change('A', undefined), of(a), false).object),
        of(b),
        false,
      ).object;
      const two = applyObject(
        change('A', applyObject(change('B', undefined), of(b), false).object),
        of(a),
        false,
      ).object;
      expect(unordered(one)).toEqual(unordered(two));
    }),
  );
});
