/** The one suite of all stores, on a real etcd. */
import { setTimeout as sleep } from 'node:timers/promises';
import { startEtcd } from '../testdata/etcd-process.ts';
import { storeSuite } from '../testdata/store-suite.ts';
import { openEtcdStore } from './open-etcd-store.ts';

/** The suite counts revisions: none may go to a key of the store's own. */
const NEVER_MS = 3_600_000;

storeSuite('etcd', {
  ttlSeconds: { short: 1, long: 3 },
  bulk: 1500,
  async open() {
    const [etcd] = await startEtcd();
    const store = await openEtcdStore({ endpoints: [etcd?.url ?? ''], markAfterMs: NEVER_MS });
    return {
      store,
      elapse: seconds => sleep(seconds * 1000),
      async close() {
        await store.close();
        await etcd?.remove();
      },
    };
  },
});
