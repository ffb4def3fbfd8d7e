/** Two API servers' storages on one etcd: what one has acknowledged the other reads, and both tell it to their watchers once and in order. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { openEtcdStore } from '../../store/etcd/open-etcd-store.ts';
import type { Store } from '../../store/store.ts';
import { startEtcd, type EtcdProcess } from '../../store/testdata/etcd-process.ts';
import { openStorage } from './open-storage.ts';
import type { KubeObject, ResourceStorage, Storage } from './storage.ts';

interface Thing extends KubeObject {
  readonly n: number;
}

const config = { group: '', resource: 'things', apiVersion: 'v1', kind: 'Thing', prefix: '/registry/things/' };

let etcd: EtcdProcess | undefined;
let stores: Store[] = [];
let storages: Storage[] = [];
let things: ResourceStorage<Thing>[] = [];

beforeEach(async () => {
  [etcd] = await startEtcd();
  const url = etcd?.url ?? '';
  stores = [
    await openEtcdStore({ endpoints: [url], prefix: '/k8ts' }),
    await openEtcdStore({ endpoints: [url], prefix: '/k8ts' }),
  ];
  storages = stores.map(store => openStorage({ store, keyPrefix: '/k8ts' }));
  things = storages.map(storage => storage.resource<Thing>(config));
});

afterEach(async () => {
  await Promise.all(storages.map(storage => storage.close()));
  await Promise.all(stores.map(store => store.close()));
  await etcd?.remove();
});

const thing = (name: string, n: number): Thing => ({ metadata: { name }, n });

test('what one has acknowledged the other reads at once, also while others write elsewhere in etcd', async () => {
  const [a, b] = things as [ResourceStorage<Thing>, ResourceStorage<Thing>];
  const stranger = await openEtcdStore({ endpoints: [etcd?.url ?? ''], prefix: '/other' });
  await Promise.all([a.count(), b.count()]);
  const loop = async (from: ResourceStorage<Thing>, to: ResourceStorage<Thing>, name: string): Promise<void> => {
    await from.create('', name, thing(name, 0));
    for (let n = 1; n <= 25; n++) {
      const { stored } = await from.guaranteedUpdate('', name, undefined, current => ({ ...current, n }));
      // Read your writes through whichever server: most recent, not older than, and in lists.
      expect((await to.get('', name)).object.n).toBe(n);
      const { resourceVersion } = stored;
      expect((await to.get('', name, { resourceVersion })).object.n).toBe(n);
      const { items } = await to.list();
      expect(items.find(i => i.name === name)?.object.n).toBe(n);
    }
    await from.delete('', name);
    await expect(to.get('', name)).rejects.toMatchObject({ code: 404 });
  };
  let done = false;
  const noise = (async () => {
    for (let i = 0; !done; i++) await stranger.create(`/other/${i}`, Buffer.from('x'));
  })();
  await Promise.all([loop(a, b, 'one'), loop(b, a, 'two'), loop(a, b, 'three')]);
  done = true;
  await noise;
  await stranger.close();
}, 60_000);

test('writers at both servers never lose an update, and watchers at both see the same', async () => {
  const stop = new AbortController();
  const seen: string[][] = [[], []];
  const running = things.map(async (storage, i) => {
    const watch = await storage.watch({ resourceVersion: '0', signal: stop.signal });
    for await (const batch of watch)
      for (const e of batch) seen[i]?.push(`${e.type} ${e.resourceVersion} ${e.object.n}`);
  });
  await things[0]?.create('', 'counter', thing('counter', 0));
  const count = async (storage: ResourceStorage<Thing>): Promise<void> => {
    for (let i = 0; i < 20; i++) {
      await storage.guaranteedUpdate('', 'counter', undefined, current => ({ ...current, n: current.n + 1 }));
    }
  };
  await Promise.all([...things, ...things].map(count));
  expect((await things[1]?.get('', 'counter'))?.object.n).toBe(80);
  for (const list of seen) {
    const untilMs = performance.now() + 10_000;
    while (!list.at(-1)?.endsWith(' 80') && performance.now() < untilMs) await new Promise(setImmediate);
  }
  stop.abort();
  await Promise.all(running);
  expect(seen[0]?.map(line => Number(line.split(' ')[2]))).toEqual(Array.from({ length: 81 }, (_, n) => n));
  expect(seen[1]).toEqual(seen[0]);
}, 60_000);

test('objects that expire together are all told to every watcher', async () => {
  const [a, b] = things as [ResourceStorage<Thing>, ResourceStorage<Thing>];
  await Promise.all(Array.from({ length: 20 }, (_, i) => a.create('', `e${i}`, thing(`e${i}`, i), { ttlSeconds: 1 })));
  const stop = new AbortController();
  const gone = new Set<string>();
  for await (const batch of await b.watch({ resourceVersion: '', signal: stop.signal })) {
    for (const event of batch) if (event.type === 'DELETED') gone.add(event.object.metadata?.name ?? '');
    if (gone.size === 20) break;
  }
  stop.abort();
  expect((await b.list()).items).toEqual([]);
}, 30_000);
