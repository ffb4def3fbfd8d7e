/**
 * Random histories against a model: reads are linearizable, lists at a revision are what was there then, watches are
 * complete, ordered and gap-free from every revision, and compaction changes none of it for what is kept.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { MemoryStore } from './memory/memory-store.ts';
import { openSqliteStore } from './sqlite/open-sqlite-store.ts';
import { CompactedError, KeyExistsError, KeyNotFoundError, RevisionConflictError, type Store } from './store.ts';

type Command =
  | { kind: 'create' | 'update' | 'staleUpdate' | 'delete'; key: string; value: string }
  | { kind: 'compact'; back: number };

/** State of one key at one revision. */
type Snapshot = Map<string, { value: string; revision: number; createRevision: number }>;

const keys = ['/r/a/1', '/r/a/2', '/r/b/1', '/rs/a', '/s'];
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.record({
      kind: fc.constantFrom('create' as const, 'update' as const, 'staleUpdate' as const, 'delete' as const),
      key: fc.constantFrom(...keys),
      value: fc.string({ maxLength: 5 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('compact' as const), back: fc.nat(5) }) },
);
/** Commands of one inner list are issued together. */
const history = fc.array(fc.array(command, { minLength: 1, maxLength: 4 }), { maxLength: 12 });

describe.each([
  { name: 'memory', runs: 200, open: async (_path: string): Promise<Store> => new MemoryStore() },
  { name: 'sqlite', runs: 60, open: (path: string): Promise<Store> => openSqliteStore({ path }) },
])('Store $name model', ({ open, runs }) => {
  test('random histories', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'store-model-'));
    let n = 0;
    await fc.assert(
      fc.asyncProperty(history, async groups => {
        const store = await open(join(folder, `${n++}.db`));
        try {
          await check(store, groups);
        } finally {
          await store.close();
        }
      }),
      { numRuns: runs },
    );
    rmSync(folder, { recursive: true });
  }, 60_000);
});

async function check(store: Store, groups: readonly (readonly Command[])[]): Promise<void> {
  const snapshots: Snapshot[] = [new Map(), new Map()];
  let compacted = 0;
  const live = follow(store, '/r/', 1);
  const now = (): Snapshot => snapshots.at(-1) as Snapshot;

  for (const group of groups) {
    const before = now();
    const outcomes = await Promise.all(group.map(c => run(store, c, before, snapshots.length - 1)));
    // Effects in revision order must explain every acknowledgement.
    const effects = outcomes
      .filter(o => o.revision !== undefined)
      .sort((a, b) => (a.revision ?? 0) - (b.revision ?? 0));
    for (const { command: c, revision } of effects) {
      expect(revision).toBe(snapshots.length);
      if (c.kind === 'compact' || revision === undefined) continue;
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
    for (const o of outcomes) if (o.command.kind === 'compact') compacted = Math.max(compacted, o.compacted ?? 0);
    expect(await store.currentRevision()).toBe(snapshots.length - 1);
    for (const key of keys) expect((await store.get(key))?.revision).toBe(now().get(key)?.revision);
  }

  for (let revision = 1; revision < snapshots.length; revision++) {
    const reading = store.list('/r/', { revision });
    if (revision < compacted) {
      await expect(reading).rejects.toThrow(CompactedError);
      continue;
    }
    const expected = expectedList(snapshots[revision] as Snapshot);
    expect(plain((await reading).items)).toEqual(expected);
    const paged = [];
    for (let startAfter = ''; ;) {
      const page = await store.list('/r/', { revision, limit: 1, startAfter, countRemaining: true });
      paged.push(...page.items);
      expect(page.remaining).toBe(expected.length - paged.length);
      if (!page.more) break;
      startAfter = page.items.at(-1)?.key ?? '';
    }
    expect(plain(paged)).toEqual(expected);
  }

  const all = changes(snapshots);
  expect(await live.stop(all.at(-1)?.split(' ')[0])).toEqual(all);
  for (let after = Math.max(1, compacted); after < snapshots.length; after++) {
    const expected = all.filter(c => Number(c.split(' ')[0]) > after);
    expect(await follow(store, '/r/', after).stop(expected.at(-1)?.split(' ')[0])).toEqual(expected);
  }
}

interface Outcome {
  command: Command;
  revision?: number;
  compacted?: number;
}

async function run(store: Store, command: Command, before: Snapshot, current: number): Promise<Outcome> {
  try {
    switch (command.kind) {
      case 'create':
        return { command, revision: await store.create(command.key, Buffer.from(command.value)) };
      case 'update': {
        const expected = before.get(command.key)?.revision ?? 1;
        return { command, revision: await store.update(command.key, Buffer.from(command.value), expected) };
      }
      case 'staleUpdate':
        await store.update(command.key, Buffer.from(command.value), 1);
        throw new Error('a stale update was taken');
      case 'delete':
        return { command, revision: (await store.delete(command.key)).revision };
      case 'compact': {
        const revision = Math.max(1, current - command.back);
        await store.compact(revision);
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
function follow(store: Store, prefix: string, after: number): { stop(last: string | undefined): Promise<string[]> } {
  const abort = new AbortController();
  const seen: string[] = [];
  let reached = (): void => {};
  const running = (async () => {
    for await (const batch of store.watch(prefix, after, abort.signal)) {
      for (const e of batch.events) {
        seen.push(`${e.revision} ${e.type} ${e.key} ${e.type === 'put' ? e.kv.value.toString() : ''}`);
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

function plain(items: readonly { key: string; value: Buffer; revision: number; createRevision: number }[]): object[] {
  return items.map(({ key, value, revision, createRevision }) => ({
    key,
    value: value.toString(),
    revision,
    createRevision,
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
