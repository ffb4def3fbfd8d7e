/** What clients are told when the store is in trouble, and what is never done twice. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { MemoryStore } from '../../store/memory/memory-store.ts';
import { StoreUnavailableError, ValueTooLargeError, type WatchBatch } from '../../store/store.ts';
import { openStorage } from './open-storage.ts';
import type { KubeObject, ResourceStorage, Storage } from './storage.ts';

interface Thing extends KubeObject {
  readonly n: number;
}

/** A memory store that does what it is asked and then fails, or whose watch stands still. */
class TroubledStore extends MemoryStore {
  failure: Error | undefined;
  isDeaf = false;

  override async create(key: string, value: Uint8Array): Promise<number> {
    const revision = await super.create(key, value);
    if (this.failure !== undefined) throw this.failure;
    return revision;
  }

  override async update(key: string, value: Uint8Array, expected: number): Promise<number> {
    const revision = await super.update(key, value, expected);
    if (this.failure !== undefined) throw this.failure;
    return revision;
  }

  override async *watch(prefix: string, after: number, signal: AbortSignal): AsyncGenerator<WatchBatch> {
    for await (const batch of super.watch(prefix, after, signal)) if (!this.isDeaf) yield batch;
  }
}

let clock: FakeClock;
let store: TroubledStore;
let storage: Storage;
let things: ResourceStorage<Thing>;

beforeEach(async () => {
  clock = new FakeClock();
  store = new TroubledStore(clock);
  storage = openStorage({ store, clock });
  things = storage.resource<Thing>({
    group: '',
    resource: 'things',
    apiVersion: 'v1',
    kind: 'Thing',
    prefix: '/registry/things/',
  });
  await things.create('', 'a', { n: 0 });
});

afterEach(async () => {
  await storage.close();
  await store.close();
});

test('a write of unknown outcome is told as such, and its function runs once', async () => {
  store.failure = new StoreUnavailableError('unknownOutcome', 'no answer');
  let runs = 0;
  const update = things.guaranteedUpdate('', 'a', undefined, current => ({ ...current, n: current.n + ++runs }));
  await expect(update).rejects.toMatchObject({ code: 504, reason: 'Timeout', message: 'Timeout: no answer' });
  await expect(things.create('', 'b', { n: 1 })).rejects.toMatchObject({ code: 504 });
  store.failure = undefined;
  expect(runs).toBe(1);
  expect((await things.get('', 'a')).object.n).toBe(1);
});

test.each([
  { error: new StoreUnavailableError('unreachable', 'no etcd'), code: 503, message: 'no etcd' },
  { error: new StoreUnavailableError('full', 'no space'), code: 503, message: 'no space' },
  { error: new ValueTooLargeError('two megabytes'), code: 413, message: 'Request entity too large: two megabytes' },
])('$error.message: answered with $code', async ({ error, code, message }) => {
  store.failure = error;
  await expect(things.create('', 'b', { n: 1 })).rejects.toMatchObject({ code, message });
});

test('a watch on the store that stands still fails reads after a while, not writes that are done', async () => {
  store.isDeaf = true;
  const outcomes: string[] = [];
  const note = (name: string) =>
    [
      (value: unknown) => void outcomes.push(`${name} ${typeof value}`),
      (error: { code: number; message: string }) => void outcomes.push(`${name} ${error.code} ${error.message}`),
    ] as const;
  const writing = things.guaranteedUpdate('', 'a', undefined, current => ({ ...current, n: 7 })).then(...note('write'));
  await new Promise(setImmediate);
  const reading = things.get('', 'a').then(...note('read'));
  await new Promise(setImmediate);
  expect(outcomes).toEqual([]);
  await clock.advance(10_000);
  await Promise.all([writing, reading]);
  expect(outcomes.sort()).toEqual([
    'read 503 the watch on the store is at revision 2 and has not come to 3 within 5 s; try again',
    'write object',
  ]);
});
