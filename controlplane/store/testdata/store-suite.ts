/** What every Store does: one suite for all of them. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  CompactedError,
  FutureRevisionError,
  KeyExistsError,
  KeyNotFoundError,
  RevisionConflictError,
  StoreUnavailableError,
  type Store,
  type StoreEvent,
} from '../store.ts';

const bytes = (text: string): Buffer => Buffer.from(text);

/** Reads `count` events of a watch, then ends it. */
async function take(
  store: Store,
  prefix: string,
  after: number,
  count: number,
  previous = false,
): Promise<StoreEvent[]> {
  const stop = new AbortController();
  const events: StoreEvent[] = [];
  for await (const batch of store.watch(prefix, after, stop.signal, { previous })) {
    events.push(...batch.events);
    if (events.length >= count) break;
  }
  stop.abort();
  return events;
}

/** A store of one test alone, empty and at revision 1. */
export interface StoreUnderTest {
  readonly store: Store;
  /** Lets the store's time go by. */
  elapse(seconds: number): Promise<void>;
  /** Closes the store too. */
  close(): Promise<void>;
}

interface StoreSuiteOptions {
  readonly open: () => Promise<StoreUnderTest>;
  /** Two times to live, long enough to be told apart. */
  readonly ttlSeconds: { readonly short: number; readonly long: number };
  /** How many changes are too many for a queue. */
  readonly bulk: number;
}

export function storeSuite(name: string, { open, ttlSeconds, bulk }: StoreSuiteOptions): void {
  describe(`Store ${name}`, () => {
    let opened: StoreUnderTest;
    let store: Store;

    beforeEach(async () => {
      opened = await open();
      ({ store } = opened);
    });

    afterEach(() => opened.close());

    test('create(), update() and delete() take one revision each and get() reads any of them', async () => {
      expect(await store.currentRevision()).toBe(1);
      const created = await store.create('/a', bytes('1'));
      const updated = await store.update('/a', bytes('2'), created);
      const deleted = await store.delete('/a', { expectedRevision: updated });
      expect([created, updated, deleted.revision]).toEqual([2, 3, 4]);
      expect(deleted.previous).toEqual({ key: '/a', value: bytes('2'), revision: 3, createRevision: 2 });
      expect(await store.get('/a')).toBeUndefined();
      expect(await store.get('/a', { revision: 2 })).toEqual({
        key: '/a',
        value: bytes('1'),
        revision: 2,
        createRevision: 2,
      });
      expect(await store.get('/a', { revision: 3 })).toEqual({
        key: '/a',
        value: bytes('2'),
        revision: 3,
        createRevision: 2,
      });
      expect(await store.get('/a', { revision: 1 })).toBeUndefined();
      expect(await store.create('/a', bytes('3'))).toBe(5);
      expect((await store.get('/a'))?.createRevision).toBe(5);
    });

    test('writes that may not be are refused and take no revision', async () => {
      const revision = await store.create('/a', bytes('1'));
      await expect(store.create('/a', bytes('x'))).rejects.toThrow(KeyExistsError);
      await expect(store.update('/b', bytes('x'), 1)).rejects.toThrow(KeyNotFoundError);
      await expect(store.delete('/b')).rejects.toThrow(KeyNotFoundError);
      await expect(store.delete('/a', { expectedRevision: 1 })).rejects.toThrow(RevisionConflictError);
      const conflict = await store.update('/a', bytes('x'), 1).catch((e: unknown) => e);
      expect(conflict).toBeInstanceOf(RevisionConflictError);
      expect((conflict as RevisionConflictError).current).toEqual({
        key: '/a',
        value: bytes('1'),
        revision,
        createRevision: revision,
      });
      expect(await store.currentRevision()).toBe(revision);
    });

    test('of writes that race for one key exactly one wins', async () => {
      const creates = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => store.create('/a', bytes(`${i}`))));
      expect(creates.filter(r => r.status === 'fulfilled')).toHaveLength(1);
      const updates = await Promise.allSettled(
        Array.from({ length: 20 }, (_, i) => store.update('/a', bytes(`u${i}`), 2)),
      );
      expect(updates.filter(r => r.status === 'fulfilled')).toHaveLength(1);
      expect(await store.currentRevision()).toBe(3);
    });

    test('list() is sorted, paged and consistent at its revision', async () => {
      for (const name of ['c', 'a', 'd', 'b']) await store.create(`/p/${name}`, bytes(name));
      await store.create('/pq/x', bytes('x'));
      await store.create('/o/x', bytes('x'));
      const first = await store.list('/p/', { limit: 2, countRemaining: true });
      expect(first.items.map(i => i.key)).toEqual(['/p/a', '/p/b']);
      expect(first).toMatchObject({ more: true, remaining: 2, revision: 7 });
      await store.delete('/p/c');
      await store.create('/p/e', bytes('e'));
      const second = await store.list('/p/', {
        limit: 2,
        startAfter: '/p/b',
        revision: first.revision,
        countRemaining: true,
      });
      expect(second.items.map(i => i.key)).toEqual(['/p/c', '/p/d']);
      expect(second).toMatchObject({ more: false, remaining: 0, revision: 7 });
      expect((await store.list('/p/')).items.map(i => i.key)).toEqual(['/p/a', '/p/b', '/p/d', '/p/e']);
      expect((await store.list('')).items).toHaveLength(6);
      await expect(store.list('/p/', { revision: 99 })).rejects.toThrow(FutureRevisionError);
    });

    test('watch() replays from a revision, goes on live, and fills in what was before', async () => {
      await store.create('/p/a', bytes('1'));
      await store.create('/q/a', bytes('other'));
      const live = take(store, '/p/', 1, 3, true);
      await new Promise(setImmediate);
      await store.update('/p/a', bytes('2'), 2);
      await store.delete('/p/a');
      const events = await live;
      expect(events.map(e => [e.type, e.revision, e.previous?.value.toString()])).toEqual([
        ['put', 2, undefined],
        ['put', 4, '1'],
        ['delete', 5, '2'],
      ]);
      expect(events).toEqual(await take(store, '/p/', 1, 3, true));
    });

    test('watch() whose consumer stands still loses nothing', async () => {
      const stop = new AbortController();
      const watch = store.watch('/p/', 1, stop.signal)[Symbol.asyncIterator]();
      const first = watch.next();
      await store.create('/p/0', bytes('x'));
      const revisions = (await first).value?.events.map((e: StoreEvent) => e.revision) ?? [];
      await Promise.all(Array.from({ length: bulk }, (_, i) => store.create(`/p/${i + 1}`, bytes('x'))));
      while (revisions.length <= bulk) {
        revisions.push(...((await watch.next()).value?.events.map((e: StoreEvent) => e.revision) ?? []));
      }
      expect(revisions).toEqual(Array.from({ length: bulk + 1 }, (_, i) => i + 2));
      stop.abort();
      expect((await watch.next()).done).toBe(true);
    });

    test('compact() forgets the past, keeps what lives, and never gives a revision out again', async () => {
      await store.create('/a', bytes('1'));
      await store.create('/b', bytes('1'));
      await store.update('/a', bytes('2'), 2);
      await store.delete('/b');
      await store.compact(5);
      await expect(store.get('/a', { revision: 4 })).rejects.toThrow(CompactedError);
      await expect(store.list('/', { revision: 4 })).rejects.toThrow(CompactedError);
      await expect(take(store, '/', 4, 1)).rejects.toThrow(CompactedError);
      const { items, revision } = await store.list('/');
      expect(items.map(i => [i.key, i.revision])).toEqual([['/a', 4]]);
      expect(revision).toBe(5);
      expect(await store.create('/b', bytes('3'))).toBe(6);
      expect((await take(store, '/', 5, 1)).map(e => e.revision)).toEqual([6]);
      await expect(store.compact(99)).rejects.toThrow(FutureRevisionError);
    });

    test('ttlSeconds deletes the key when due, unless an update made it permanent', async () => {
      const { short, long } = ttlSeconds;
      await store.create('/short', bytes('1'), { ttlSeconds: short });
      const revision = await store.create('/kept', bytes('1'), { ttlSeconds: short });
      await store.create('/long', bytes('1'), { ttlSeconds: long });
      await store.update('/kept', bytes('2'), revision);
      const events = take(store, '/', 5, 2);
      await opened.elapse(short * 0.8);
      expect(await store.get('/short')).toBeDefined();
      let done = false;
      const finished = events.finally(() => (done = true));
      // The deletions themselves take real time: go on until they are through.
      while (!done) {
        await opened.elapse(short / 5);
        await new Promise(setImmediate);
      }
      expect((await finished).map(e => [e.type, e.key])).toEqual([
        ['delete', '/short'],
        ['delete', '/long'],
      ]);
      expect((await store.list('/')).items.map(i => i.key)).toEqual(['/kept']);
    });

    test('close() ends watches and refuses everything after', async () => {
      const events = take(store, '/', 1, 1);
      await new Promise(setImmediate);
      await store.close();
      expect(await events).toEqual([]);
      await expect(store.get('/a')).rejects.toThrow(StoreUnavailableError);
      await expect(store.create('/a', bytes('1'))).rejects.toMatchObject({ reason: 'closed' });
    });
  });
}
