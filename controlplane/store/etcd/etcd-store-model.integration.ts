/** The one model of all stores, on a real etcd that two clients share, each over a connection that breaks now and then. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll } from '@jest/globals';
import { BreakableProxy } from '../testdata/breakable-proxy.ts';
import { startEtcd, type EtcdProcess } from '../testdata/etcd-process.ts';
import { storeModelSuite } from '../testdata/store-model-suite.ts';
import type { Store } from '../store.ts';
import { openEtcdStore } from './open-etcd-store.ts';

/** The model counts revisions: none may go to a key of the store's own. */
const NEVER_MS = 3_600_000;

let etcd: EtcdProcess | undefined;

beforeAll(async () => {
  [etcd] = await startEtcd();
});
afterAll(() => etcd?.remove());

async function empty(store: Store): Promise<void> {
  const { items } = await store.list('/');
  for (const { key } of items) await store.delete(key);
}

async function answers(store: Store): Promise<void> {
  for (;;) {
    const revision = await store.currentRevision().catch(() => undefined);
    if (revision !== undefined) return;
    await sleep(10);
  }
}

storeModelSuite('etcd', 15, async () => {
  const url = etcd?.url ?? '';
  const proxies = await Promise.all([BreakableProxy.to(url), BreakableProxy.to(url)]);
  const clients = await Promise.all(
    proxies.map(proxy => openEtcdStore({ endpoints: [proxy.url], markAfterMs: NEVER_MS })),
  );
  await empty(clients[0] as Store);
  return {
    clients,
    async disturb() {
      for (const proxy of proxies) proxy.break();
      await Promise.all(clients.map(answers));
    },
    async close() {
      await Promise.all(clients.map(client => client.close()));
      await Promise.all(proxies.map(proxy => proxy.close()));
    },
  };
});
