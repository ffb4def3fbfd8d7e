/** What the hub and the caches do when the store's watch breaks. */
import { expect, test } from '@jest/globals';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { MemoryStore } from '../../store/memory/memory-store.ts';
import { StoreUnavailableError, type Store, type WatchBatch } from '../../store/store.ts';
import { openStorage } from './open-storage.ts';

const config = { group: '', resource: 'things', apiVersion: 'v1', kind: 'Thing', prefix: '/registry/things/' };

/** A memory store whose watch on everything can be broken. */
class BreakableStore extends MemoryStore {
  private breakNow: (() => void) | undefined;

  override async *watch(prefix: string, after: number, signal: AbortSignal): AsyncGenerator<WatchBatch> {
    if (prefix !== '/registry/') return yield* super.watch(prefix, after, signal) as AsyncGenerator<WatchBatch>;
    const inner = new AbortController();
    this.breakNow = () => inner.abort();
    signal.addEventListener('abort', () => inner.abort());
    yield* super.watch(prefix, after, inner.signal);
    if (!signal.aborted) throw new StoreUnavailableError('unreachable', 'broken for the test');
  }

  break(): void {
    this.breakNow?.();
  }
}

test.each([
  { name: 'nothing is missed', compact: false, ends: false },
  { name: 'caches load again and watches end, if history is gone', compact: true, ends: true },
])('a broken store watch: $name', async ({ compact, ends }) => {
  const clock = new FakeClock();
  const store: BreakableStore & Store = new BreakableStore(clock);
  const storage = openStorage({ store, clock });
  const things = storage.resource(config);
  await things.create('', 'a', {});
  const stop = new AbortController();
  const watch = (await things.watch({ resourceVersion: '2', signal: stop.signal }))[Symbol.asyncIterator]();
  const next = watch.next();

  store.break();
  await new Promise(setImmediate);
  await store.create('/registry/things/b', Buffer.from('{}'));
  await store.create('/registry/things/c', Buffer.from('{"kind":"Thing","apiVersion":"v1","metadata":{}}'));
  if (compact) await store.compact(4);
  let names: string[] | undefined;
  const reading = things.list().then(list => (names = list.items.map(i => i.name)));
  while (names === undefined) {
    await clock.advance(1000);
    await new Promise(setImmediate);
  }
  await reading;
  expect(names).toEqual(['a', 'b', 'c']);
  expect((await things.get('', 'b')).object).toEqual({ kind: '', apiVersion: '', metadata: { resourceVersion: '3' } });
  const { done, value } = await next;
  expect(done).toBe(ends);
  if (!ends) expect((value as readonly { resourceVersion: string }[])[0]?.resourceVersion).toBe('3');
  stop.abort();
  await storage.close();
});
