/** Kubernetes' read, write and watch semantics over the real stores. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { MemoryStore } from '../../store/memory/memory-store.ts';
import { openSqliteStore } from '../../store/sqlite/open-sqlite-store.ts';
import type { Store } from '../../store/store.ts';
import { openStorage } from './open-storage.ts';
import type {
  KubeObject,
  ResourceConfig,
  ResourceStorage,
  Storage,
  StoredList,
  WatchEvent,
  WatchQuery,
} from './storage.ts';

interface Thing extends KubeObject {
  readonly n?: number;
}

const config: ResourceConfig = {
  group: '',
  resource: 'things',
  apiVersion: 'v1',
  kind: 'Thing',
  prefix: '/registry/things/',
};
const thing = (name: string, n = 0, labels: Record<string, string> = {}): Thing => ({
  metadata: { name, namespace: 'ns', uid: `uid-${name}`, labels },
  n,
});
const red = (t: Thing): boolean => t.metadata?.labels?.['color'] === 'red';
const names = (list: StoredList<Thing>): string[] => list.items.map(i => i.name);

/** Reads a watch until `count` events came or it ended. */
async function take(
  things: ResourceStorage<Thing>,
  count: number,
  query: Omit<WatchQuery<Thing>, 'signal'> = {},
): Promise<WatchEvent<Thing>[]> {
  const stop = new AbortController();
  const events: WatchEvent<Thing>[] = [];
  for await (const batch of await things.watch({ ...query, signal: stop.signal })) {
    events.push(...batch);
    if (events.length >= count) break;
  }
  return events;
}
const shown = (events: readonly WatchEvent<Thing>[]): string[] =>
  events.map(e => `${e.type} ${e.object.metadata?.name ?? ''} ${e.object.n ?? ''} @${e.resourceVersion}`);

describe.each([
  { name: 'memory', open: async (_path: string, clock: FakeClock): Promise<Store> => new MemoryStore(clock) },
  { name: 'sqlite', open: (path: string, clock: FakeClock): Promise<Store> => openSqliteStore({ path, clock }) },
])('ResourceStorage over $name', ({ open }) => {
  let folder: string;
  let clock: FakeClock;
  let store: Store;
  let storage: Storage;
  let things: ResourceStorage<Thing>;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'storage-test-'));
    clock = new FakeClock();
    store = await open(join(folder, 'state.db'), clock);
    storage = openStorage({ store, clock });
    things = storage.resource<Thing>(config);
  });
  afterEach(async () => {
    await storage.close();
    await store.close();
    rmSync(folder, { recursive: true });
  });

  test('create() gives the object its resourceVersion, and reads find it at once', async () => {
    const created = await things.create('ns', 'a', {
      ...thing('a', 1),
      metadata: { name: 'a', resourceVersion: '77' },
    });
    expect(created.object).toEqual({
      kind: 'Thing',
      apiVersion: 'v1',
      metadata: { name: 'a', resourceVersion: '2' },
      n: 1,
    });
    expect(JSON.parse(created.bytes.toString())).toEqual(created.object);
    expect(things.peek('ns', 'a')).toBe(created);
    expect(await things.get('ns', 'a')).toBe(created);
    expect(names(await things.list())).toEqual(['a']);
    expect((await store.get('/registry/things/ns/a'))?.value.toString()).not.toContain('resourceVersion');
    await expect(things.create('ns', 'a', thing('a'))).rejects.toMatchObject({ reason: 'AlreadyExists', code: 409 });
    await expect(things.get('ns', 'b')).rejects.toMatchObject({ reason: 'NotFound', message: 'things "b" not found' });
  });

  test('guaranteedUpdate() loses no update of many at once', async () => {
    await things.create('ns', 'a', thing('a', 0));
    const bump = (): Promise<unknown> =>
      things.guaranteedUpdate('ns', 'a', undefined, async current => {
        await Promise.resolve();
        return { ...current, n: (current.n ?? 0) + 1 };
      });
    await Promise.all(Array.from({ length: 30 }, bump));
    expect((await things.get('ns', 'a')).object.n).toBe(30);
  });

  test('guaranteedUpdate() writes nothing where nothing changed, and checks preconditions', async () => {
    const { resourceVersion } = await things.create('ns', 'a', thing('a', 1));
    const same = await things.guaranteedUpdate('ns', 'a', undefined, ({ n, metadata }) => ({
      n: n ?? 0,
      metadata: metadata ?? {},
    }));
    expect([same.changed, same.stored.resourceVersion]).toEqual([false, resourceVersion]);
    const stale = things.guaranteedUpdate('ns', 'a', { resourceVersion: '1' }, c => ({ ...c, n: 9 }));
    await expect(stale).rejects.toMatchObject({
      reason: 'Conflict',
      message: expect.stringContaining('has been modified'),
    });
    const other = things.guaranteedUpdate('ns', 'a', { uid: 'x' }, c => ({ ...c, n: 9 }));
    await expect(other).rejects.toMatchObject({
      reason: 'Conflict',
      message: expect.stringContaining('UID in precondition: x'),
    });
    await expect(things.guaranteedUpdate('ns', 'b', undefined, c => c)).rejects.toMatchObject({ reason: 'NotFound' });
    const upsert = await things.guaranteedUpsert('ns', 'b', undefined, c => c ?? thing('b', 5));
    expect([upsert.created, upsert.stored.object.n]).toEqual([true, 5]);
  });

  test('delete() validates the very state that it deletes', async () => {
    await things.create('ns', 'a', thing('a', 1));
    const refused = things.delete('ns', 'a', undefined, () => {
      throw new Error('no');
    });
    await expect(refused).rejects.toThrow('no');
    await expect(things.delete('ns', 'a', { resourceVersion: '1' })).rejects.toMatchObject({ reason: 'Conflict' });
    const seen: number[] = [];
    const deleted = await things.delete('ns', 'a', { uid: 'uid-a' }, async current => {
      seen.push(current.n ?? 0);
      if (seen.length === 1) await things.guaranteedUpdate('ns', 'a', undefined, c => ({ ...c, n: 2 }));
    });
    expect(seen).toEqual([1, 2]);
    expect(deleted.object).toMatchObject({ n: 2, metadata: { resourceVersion: '4' } });
    expect(names(await things.list())).toEqual([]);
  });

  test('list() selects by namespace, name and predicate', async () => {
    for (const [ns, name] of [
      ['b', 'x'],
      ['a', 'y'],
      ['a', 'x'],
      ['a-b', 'x'],
      ['ab', 'x'],
    ] as const) {
      await things.create(ns, name, thing(name, 0, ns === 'a' ? { color: 'red' } : {}));
    }
    expect((await things.list({ namespace: 'a' })).items.map(i => `${i.namespace}/${i.name}`)).toEqual(['a/x', 'a/y']);
    expect((await things.list({ name: 'x' })).items).toHaveLength(4);
    expect((await things.list({ predicate: red, limit: 1 })).items).toHaveLength(1);
    expect((await things.list({ predicate: red, limit: 2 })).continue).toBeUndefined();
    expect(await things.count()).toBe(5);
  });

  test('pages show one snapshot whatever is written meanwhile, from memory and from the store', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) await things.create('ns', name, thing(name, 1));
    const first = await things.list({ limit: 2 });
    expect([names(first), first.remainingItemCount]).toEqual([['a', 'b'], 3]);
    await things.delete('ns', 'c');
    await things.create('ns', 'bb', thing('bb'));
    await things.guaranteedUpdate('ns', 'd', undefined, c => ({ ...c, n: 2 }));
    const rest = { limit: 2, continue: first.continue ?? '' };
    const second = await things.list(rest);
    expect([names(second), second.remainingItemCount, second.resourceVersion]).toEqual([
      ['c', 'd'],
      1,
      first.resourceVersion,
    ]);
    expect(second.items[1]?.object.n).toBe(1);
    expect(names(await things.list({ continue: second.continue ?? '' }))).toEqual(['e']);
    expect(names(await things.list({ resourceVersion: '3', resourceVersionMatch: 'Exact' }))).toEqual(['a', 'b']);

    // Another server over the same store, whose memory begins now.
    await Promise.all(Array.from({ length: 1100 }, (_, i) => store.create(`/registry/other/${i}`, Buffer.from('{}'))));
    const other = openStorage({ store, clock }).resource<Thing>(config);
    const fromStore = await other.list(rest);
    expect([names(fromStore), fromStore.items[1]?.object.n]).toEqual([['c', 'd'], 1]);
    expect(names(await other.list({ ...rest, namespace: 'ns', continue: fromStore.continue ?? '' }))).toEqual(['e']);

    await store.compact(await store.currentRevision());
    const expired = await other.list(rest).catch((e: unknown) => e);
    expect(expired).toMatchObject({ reason: 'Expired', code: 410 });
    const { metadata } = (expired as { toStatus(): { metadata: { continue: string } } }).toStatus();
    expect(names(await other.list({ continue: metadata.continue }))).toEqual(['bb', 'd', 'e']);
  });

  test('a read of a revision that has not come waits, and then gives up', async () => {
    await things.create('ns', 'a', thing('a'));
    const early = things.get('ns', 'b', { resourceVersion: '3' });
    await things.create('ns', 'b', thing('b'));
    expect((await early).name).toBe('b');
    const never = expect(things.list({ resourceVersion: '99' })).rejects.toMatchObject({
      reason: 'Timeout',
      code: 504,
    });
    await clock.advance(0);
    await new Promise(setImmediate);
    await clock.advance(3000);
    await never;
    await expect(things.list({ resourceVersion: 'x' })).rejects.toMatchObject({ reason: 'BadRequest' });
    await expect(things.list({ continue: '!' })).rejects.toMatchObject({ reason: 'BadRequest' });
  });

  test('watch() shows how objects enter, change in and leave a selection', async () => {
    const { resourceVersion } = await things.create('ns', 'a', thing('a', 1, { color: 'blue' }));
    const paint = (n: number, color: string): Promise<unknown> =>
      things.guaranteedUpdate('ns', 'a', undefined, c => ({ ...c, n, metadata: { ...c.metadata, labels: { color } } }));
    const live = take(things, 4, { resourceVersion, predicate: red });
    await paint(2, 'red');
    await paint(3, 'red');
    await paint(4, 'blue');
    await paint(5, 'red');
    await things.delete('ns', 'a');
    const expected = ['ADDED a 2 @3', 'MODIFIED a 3 @4', 'DELETED a 3 @5', 'ADDED a 5 @6'];
    expect(shown(await live)).toEqual(expected);
    const replayed = await take(things, 5, { resourceVersion, predicate: red, namespace: 'ns', name: 'a' });
    expect(shown(replayed)).toEqual([...expected, 'DELETED a 5 @7']);
    expect(replayed.at(-1)?.object.metadata?.resourceVersion).toBe('7');
    expect(JSON.parse(replayed[0]?.frame().toString() ?? '')).toEqual({ type: 'ADDED', object: replayed[0]?.object });
  });

  test('watch() without a revision begins with what there is', async () => {
    await things.create('ns', 'a', thing('a', 1));
    await things.create('ns', 'b', thing('b', 2));
    const initial = take(things, 3);
    await new Promise(setImmediate);
    await things.create('ns', 'c', thing('c', 3));
    expect(shown(await initial)).toEqual(['ADDED a 1 @2', 'ADDED b 2 @3', 'ADDED c 3 @4']);
    const streamed = await take(things, 4, { sendInitialEvents: true, allowWatchBookmarks: true });
    expect(streamed.map(e => e.type)).toEqual(['ADDED', 'ADDED', 'ADDED', 'BOOKMARK']);
    expect(streamed.at(-1)?.object).toMatchObject({
      kind: 'Thing',
      metadata: { resourceVersion: '4', annotations: { 'k8s.io/initial-events-end': 'true' } },
    });
  });

  test('all watches share one frame an event', async () => {
    const watches = [take(things, 1), take(things, 1, { namespace: 'ns' }), take(things, 1, { name: 'a' })];
    await new Promise(setImmediate);
    await things.create('ns', 'a', thing('a'));
    const [first, ...others] = (await Promise.all(watches)).map(events => events[0]?.frame());
    for (const frame of others) expect(frame).toBe(first);
  });

  test('bookmarks come when other things moved on, and only while somebody wants them', async () => {
    const waiting = take(things, 1, { allowWatchBookmarks: true });
    await new Promise(setImmediate);
    await clock.advance(61_000);
    await storage.resource({ ...config, prefix: '/registry/others/' }).create('', 'x', {});
    await clock.advance(60_000);
    expect(shown(await waiting)).toEqual(['BOOKMARK   @2']);
    const armed = clock.pending;
    await clock.advance(60_000);
    expect(clock.pending).toBeLessThan(armed);
  });

  test('a watch whose reader stands still is cut', async () => {
    const stop = new AbortController();
    const watch = (await things.watch({ resourceVersion: '1', signal: stop.signal }))[Symbol.asyncIterator]();
    await Promise.all(Array.from({ length: 4200 }, (_, i) => things.create('ns', `n${i}`, thing(`n${i}`))));
    expect((await watch.next()).done).toBe(true);
    expect(await things.watch({ resourceVersion: '1', signal: stop.signal }).catch((e: unknown) => e)).toMatchObject({
      reason: 'Expired',
      code: 410,
      message: expect.stringContaining('too old resource version: 1'),
    });
  });

  test('large objects cut a watch whose reader stands still sooner than small ones', async () => {
    const stop = new AbortController();
    /** How many changes of `bytes` each a watch takes while nobody reads it. */
    const held = async (bytes: number, upTo: number): Promise<number> => {
      const name = `held-${bytes}`;
      const text = 'x'.repeat(bytes);
      const watch = await things.watch({ name, sendInitialEvents: false, signal: stop.signal });
      const made = { metadata: { name, namespace: 'ns', uid: name } };
      await things.create('ns', name, made);
      for (let n = 1; n < upTo; n++)
        await things.guaranteedUpdate('ns', name, undefined, () => ({ ...made, n, text }) as Thing);
      let events = 0;
      const reader = watch[Symbol.asyncIterator]();
      stop.signal.addEventListener('abort', () => void reader.return?.(undefined));
      const first = await reader.next();
      if (first.done !== true) events += first.value.length;
      return events;
    };
    // 8 MiB are room for 500 of 10 KB, and for 7 of 1 MB.
    expect(await held(10_000, 40)).toBe(40);
    expect(await held(1_000_000, 10)).toBe(0);
    stop.abort();
  });

  test('watches resume in a server that was started anew', async () => {
    await things.create('ns', 'a', thing('a', 1));
    await things.guaranteedUpdate('ns', 'a', undefined, c => ({ ...c, n: 2 }));
    await things.delete('ns', 'a');
    const again = openStorage({ store, clock });
    const events = await take(again.resource<Thing>(config), 2, { resourceVersion: '2' });
    expect(shown(events)).toEqual(['MODIFIED a 2 @3', 'DELETED a 2 @4']);
    await again.close();
  });

  test('ttlSeconds makes objects expire and watches see it', async () => {
    await things.create('ns', 'event', thing('event', 1), { ttlSeconds: 3600 });
    const gone = take(things, 1, { resourceVersion: '2' });
    await clock.advance(3_602_000);
    expect(shown(await gone)).toEqual(['DELETED event 1 @3']);
  });

  test('close() lets nobody wait for ever', async () => {
    const waiting = expect(things.get('ns', 'a', { resourceVersion: '50' })).rejects.toMatchObject({ code: 503 });
    const watching = take(things, 1);
    await new Promise(setImmediate);
    await storage.close();
    await waiting;
    expect(await watching).toEqual([]);
    await expect(things.create('ns', 'a', thing('a'))).rejects.toMatchObject({ code: 503 });
  });

  test('a closed store is ServiceUnavailable', async () => {
    await things.create('ns', 'a', thing('a'));
    await store.close();
    await expect(things.create('ns', 'b', thing('b'))).rejects.toMatchObject({
      reason: 'ServiceUnavailable',
      code: 503,
    });
    await expect(storage.checkHealth()).rejects.toMatchObject({ code: 503 });
  });
});
