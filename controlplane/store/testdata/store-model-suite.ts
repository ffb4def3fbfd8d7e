/**
 * Random histories against a model: reads are linearizable, lists at a revision are what was there then, watches are
 * complete, ordered and gap-free from every revision, and neither compaction nor broken connections change any of it for what is kept.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CompactedError, KeyExistsError, KeyNotFoundError, RevisionConflictError, type Store } from '../store.ts';

/** Stores over the same state: several where the store can be shared. */
export interface ModelledStores {
  readonly clients: readonly Store[];
  /** Breaks every connection, if there are any; resolves when they are back. */
  disturb(): Promise<void>;
  close(): Promise<void>;
}

/** `client` counts round the clients. */
type Command = { client: number } & (
  | { kind: 'create' | 'update' | 'staleUpdate' | 'delete'; key: string; value: string }
  | { kind: 'get'; key: string }
  | { kind: 'list' | 'disturb' }
  | { kind: 'compact'; back: number }
);

/** State of one key at one revision. */
type Snapshot = Map<string, { value: string; revision: number; createRevision: number }>;

const keys = ['/r/a/1', '/r/a/2', '/r/b/1', '/rs/a', '/s'];
const client = fc.nat(1);
const key = fc.constantFrom(...keys);
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.record({
      client,
      kind: fc.constantFrom('create' as const, 'update' as const, 'staleUpdate' as const, 'delete' as const),
      key,
      value: fc.string({ maxLength: 5 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ client, kind: fc.constant('get' as const), key }) },
  {
    weight: 2,
    arbitrary: fc.record({ client, kind: fc.constantFrom('list' as const, 'list' as const, 'disturb' as const) }),
  },
  { weight: 1, arbitrary: fc.record({ client, kind: fc.constant('compact' as const), back: fc.nat(5) }) },
);
/** Commands of one inner list are issued together. */
const history = fc.array(fc.array(command, { minLength: 1, maxLength: 4 }), { maxLength: 12 });

/** @param open an empty store */
export function storeModelSuite(name: string, runs: number, open: () => Promise<ModelledStores>): void {
  test(`Store ${name}: random histories`, async () => {
    await fc.assert(
      fc.asyncProperty(history, async groups => {
        const stores = await open();
        try {
          await check(stores, groups);
        } finally {
          await stores.close();
        }
      }),
      { numRuns: runs },
    );
  }, 60_000);
}

async function check({ clients, disturb }: ModelledStores, groups: readonly (readonly Command[])[]): Promise<void> {
  const [store] = clients as [Store];
  // An empty store may have had a life before. From here on its present revision is 1.
  const base = (await store.currentRevision()) - 1;
  const snapshots: Snapshot[] = [new Map(), new Map()];
  let compacted = 0;
  const live = clients.map(c => follow(c, '/r/', base + 1, base));
  const now = (): Snapshot => snapshots.at(-1) as Snapshot;

  for (const group of groups) {
    const before = now();
    const start = snapshots.length - 1;
    const outcomes = await Promise.all(
      group.map(c => run(clients[c.client % clients.length] as Store, c, before, start, base)),
    );
    // Effects in revision order must explain every acknowledgement.
    const effects = outcomes
      .filter(o => o.revision !== undefined)
      .sort((a, b) => (a.revision ?? 0) - (b.revision ?? 0));
    for (const { command: c, revision } of effects) {
      expect(revision).toBe(snapshots.length);
      if (!('value' in c) || revision === undefined) continue;
      const next = new Map(now());
      const current = next.get(c.key);
      if (c.kind === 'delete') {
        expect(current).toBeDefined();
        next.delete(c.key);
      } else if (c.kind === 'create') {
        expect(current).toBeUndefined();
        next.set(c.key, { value: c.value, revision, createRevision: revision });
      } else {
        expect(current?.revision).toBe(before.get(c.key)?.revision);
        next.set(c.key, { value: c.value, revision, createRevision: current?.createRevision ?? 0 });
      }
      snapshots.push(next);
    }
    for (const { command: c, read } of outcomes) if (read !== undefined) expectRead(c, read, snapshots, start);
    for (const o of outcomes) if (o.command.kind === 'compact') compacted = Math.max(compacted, o.compacted ?? 0);
    if (group.some(c => c.kind === 'disturb')) await disturb();
    for (const c of clients) {
      expect((await c.currentRevision()) - base).toBe(snapshots.length - 1);
      for (const k of keys) expect(relative((await c.get(k))?.revision, base)).toBe(now().get(k)?.revision);
    }
  }

  for (let revision = 1; revision < snapshots.length; revision++) {
    const reading = store.list('/r/', { revision: base + revision });
    if (revision < compacted) {
      await expect(reading).rejects.toThrow(CompactedError);
      continue;
    }
    const expected = expectedList(snapshots[revision] as Snapshot);
    expect(plain((await reading).items, base)).toEqual(expected);
    const paged = [];
    for (let startAfter = ''; ;) {
      const page = await store.list('/r/', { revision: base + revision, limit: 1, startAfter, countRemaining: true });
      paged.push(...page.items);
      expect(page.remaining).toBe(expected.length - paged.length);
      if (!page.more) break;
      startAfter = page.items.at(-1)?.key ?? '';
    }
    expect(plain(paged, base)).toEqual(expected);
  }

  const all = changes(snapshots);
  for (const l of live) expect(await l.stop(all.at(-1)?.split(' ')[0])).toEqual(all);
  for (let after = Math.max(1, compacted); after < snapshots.length; after++) {
    const expected = all.filter(c => Number(c.split(' ')[0]) > after);
    expect(await follow(store, '/r/', base + after, base).stop(expected.at(-1)?.split(' ')[0])).toEqual(expected);
  }
}

interface Outcome {
  command: Command;
  revision?: number;
  compacted?: number;
  /** Revision (0: none), or the whole list, that was read. */
  read?: { revision: number; items?: object[] };
}

/** What was read while others wrote must have been there at some moment between. */
function expectRead(
  c: Command,
  read: NonNullable<Outcome['read']>,
  snapshots: readonly Snapshot[],
  start: number,
): void {
  if (c.kind === 'get') {
    const possible = snapshots.slice(start).map(snapshot => snapshot.get(c.key)?.revision ?? 0);
    expect(possible).toContain(read.revision);
  } else {
    expect(read.revision).toBeGreaterThanOrEqual(start);
    expect(read.items).toEqual(expectedList(snapshots[read.revision] as Snapshot));
  }
}

function relative(revision: number | undefined, base: number): number | undefined {
  return revision === undefined ? undefined : revision - base;
}

async function run(store: Store, command: Command, before: Snapshot, current: number, base: number): Promise<Outcome> {
  try {
    switch (command.kind) {
      case 'create':
        return { command, revision: (await store.create(command.key, Buffer.from(command.value))) - base };
      case 'update': {
        const expected = base + (before.get(command.key)?.revision ?? 1);
        return { command, revision: (await store.update(command.key, Buffer.from(command.value), expected)) - base };
      }
      case 'staleUpdate':
        await store.update(command.key, Buffer.from(command.value), base + 1);
        throw new Error('a stale update was taken');
      case 'delete':
        return { command, revision: (await store.delete(command.key)).revision - base };
      case 'get':
        return { command, read: { revision: relative((await store.get(command.key))?.revision, base) ?? 0 } };
      case 'list': {
        const { items, revision } = await store.list('/r/');
        return { command, read: { revision: revision - base, items: plain(items, base) } };
      }
      case 'disturb':
        return { command };
      case 'compact': {
        const revision = Math.max(1, current - command.back);
        await store.compact(base + revision);
        return { command, compacted: revision };
      }
    }
  } catch (error) {
    const refused = [KeyExistsError, KeyNotFoundError, RevisionConflictError].some(c => error instanceof c);
    if (!refused) throw error;
    return { command };
  }
}

/** Collects changes as `revision type key value` until told that `last` is the last revision to come. */
function follow(
  store: Store,
  prefix: string,
  after: number,
  base: number,
): { stop(last: string | undefined): Promise<string[]> } {
  const abort = new AbortController();
  const seen: string[] = [];
  let reached = (): void => {};
  const running = (async () => {
    for await (const batch of store.watch(prefix, after, abort.signal)) {
      for (const e of batch.events) {
        seen.push(`${e.revision - base} ${e.type} ${e.key} ${e.type === 'put' ? e.kv.value.toString() : ''}`);
      }
      reached();
    }
  })();
  return {
    async stop(last) {
      while (last !== undefined && seen.at(-1)?.split(' ')[0] !== last) {
        await Promise.race([new Promise<void>(resolve => (reached = resolve)), running]);
      }
      abort.abort();
      await running;
      return seen;
    },
  };
}

function expectedList(snapshot: Snapshot): object[] {
  return [...snapshot.entries()]
    .filter(([key]) => key.startsWith('/r/'))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, state]) => ({ key, ...state }));
}

function plain(
  items: readonly { key: string; value: Buffer; revision: number; createRevision: number }[],
  base: number,
): object[] {
  return items.map(({ key: k, value, revision, createRevision }) => ({
    key: k,
    value: value.toString(),
    revision: revision - base,
    createRevision: createRevision - base,
  }));
}

function changes(snapshots: readonly Snapshot[]): string[] {
  const all: string[] = [];
  for (let revision = 2; revision < snapshots.length; revision++) {
    const before = snapshots[revision - 1] as Snapshot;
    const after = snapshots[revision] as Snapshot;
    for (const key of keys.filter(k => k.startsWith('/r/'))) {
      const state = after.get(key);
      if (state?.revision === revision) all.push(`${revision} put ${key} ${state.value}`);
      else if (before.has(key) && state === undefined) all.push(`${revision} delete ${key} `);
    }
  }
  return all;
}
