/**
 * Random histories against a model: a list at any revision that memory reaches is what was there then, its pages add up to
 * it, and a watch from any revision with any selection shows exactly how the selection changed.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { MemoryStore } from '../../store/memory/memory-store.ts';
import { openStorage } from './open-storage.ts';
import type { KubeObject, ResourceStorage } from './storage.ts';

interface Thing extends KubeObject {
  readonly n: number;
}

interface Command {
  readonly kind: 'put' | 'delete';
  readonly namespace: string;
  readonly name: string;
  readonly n: number;
}

type State = ReadonlyMap<string, number>;

const command: fc.Arbitrary<Command> = fc.record({
  kind: fc.constantFrom('put', 'put', 'delete'),
  namespace: fc.constantFrom('a', 'a-b', 'b'),
  name: fc.constantFrom('x', 'y'),
  n: fc.nat(3),
});
const even = (thing: Thing): boolean => thing.n % 2 === 0;
const selections = [
  { query: {}, holds: (_key: string, _n: number) => true },
  { query: { predicate: even }, holds: (_key: string, n: number) => n % 2 === 0 },
  { query: { namespace: 'a' }, holds: (key: string) => key.startsWith('a/') },
  { query: { name: 'y', predicate: even }, holds: (key: string, n: number) => key.endsWith('/y') && n % 2 === 0 },
];

test('lists, pages and watches tell the truth about random histories', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 25 }), async commands => {
      const store = new MemoryStore();
      const storage = openStorage({ store });
      const things = storage.resource<Thing>({
        group: '',
        resource: 'things',
        apiVersion: 'v1',
        kind: 'Thing',
        prefix: '/registry/things/',
      });
      const states: State[] = [new Map(), new Map()];
      await things.count();
      for (const c of commands) {
        const next = await run(things, c, states.at(-1) as State);
        if (next !== undefined) states.push(next);
      }
      for (const { query, holds } of selections) {
        for (let revision = 1; revision < states.length; revision++) {
          const state = states[revision] as State;
          const expected = [...state].filter(([key, n]) => holds(key, n)).map(([key, n]) => `${key}=${n}`);
          const at = { ...query, resourceVersion: `${revision}`, resourceVersionMatch: 'Exact' as const };
          expect(await pages(things, { ...at, limit: 0 })).toEqual(expected.sort());
          expect(await pages(things, { ...at, limit: 2 })).toEqual(expected.sort());
          expect(await watched(things, query, revision)).toEqual(changes(states, revision, holds));
        }
      }
      await storage.close();
      await store.close();
    }),
    { numRuns: 60 },
  );
}, 60_000);

async function run(things: ResourceStorage<Thing>, c: Command, before: State): Promise<State | undefined> {
  const key = `${c.namespace}/${c.name}`;
  const next = new Map(before);
  if (c.kind === 'delete') {
    if (!before.has(key)) return undefined;
    await things.delete(c.namespace, c.name);
    next.delete(key);
    return next;
  }
  const { name, namespace } = c;
  const { changed } = await things.guaranteedUpsert(namespace, name, undefined, () => ({
    metadata: { name, namespace },
    n: c.n,
  }));
  expect(changed).toBe(before.get(key) !== c.n);
  return changed ? next.set(key, c.n) : undefined;
}

async function pages(things: ResourceStorage<Thing>, query: object & { limit: number }): Promise<string[]> {
  const found: string[] = [];
  let remaining: number | undefined;
  for (let page = await things.list(query); ;) {
    if (remaining !== undefined) expect(page.items.length + (page.remainingItemCount ?? 0)).toBe(remaining);
    found.push(...page.items.map(i => `${i.namespace}/${i.name}=${i.object.n}`));
    if (page.continue === undefined) return found;
    remaining = page.remainingItemCount;
    const { resourceVersion: _rv, resourceVersionMatch: _match, ...rest } = query as Record<string, unknown>;
    page = await things.list({ ...rest, continue: page.continue });
  }
}

/** What a watch from `revision` shows of the past; a last write marks its end. */
async function watched(things: ResourceStorage<Thing>, query: object, revision: number): Promise<string[]> {
  const stop = new AbortController();
  const seen: string[] = [];
  const watch = await things.watch({ ...query, resourceVersion: `${revision}`, signal: stop.signal });
  const iterator = watch[Symbol.asyncIterator]();
  const first = await Promise.race([
    iterator.next(),
    new Promise<undefined>(resolve => setImmediate(() => resolve(undefined))),
  ]);
  for (const e of first?.value ?? []) {
    expect(e.object.metadata?.resourceVersion).toBe(e.resourceVersion);
    const { namespace = '', name = '' } = e.object.metadata ?? {};
    seen.push(`${e.resourceVersion} ${e.type} ${namespace}/${name}=${e.object.n}`);
  }
  stop.abort();
  return seen;
}

function changes(states: readonly State[], after: number, holds: (key: string, n: number) => boolean): string[] {
  const all: string[] = [];
  for (let revision = after + 1; revision < states.length; revision++) {
    const before = states[revision - 1] as State;
    const now = states[revision] as State;
    for (const key of new Set([...before.keys(), ...now.keys()])) {
      const [was, is] = [before.get(key), now.get(key)];
      if (was === is) continue;
      const wasIn = was !== undefined && holds(key, was);
      const isIn = is !== undefined && holds(key, is);
      if (isIn) all.push(`${revision} ${wasIn ? 'MODIFIED' : 'ADDED'} ${key}=${is}`);
      else if (wasIn) all.push(`${revision} DELETED ${key}=${was}`);
    }
  }
  return all;
}
