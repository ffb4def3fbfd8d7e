import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock } from '../../machinery/process/clock.ts';
import { MemoryStore } from './memory/memory-store.ts';
import { openSqliteStore } from './sqlite/open-sqlite-store.ts';
import type { Store } from './store.ts';
import { storeSuite, type StoreUnderTest } from './testdata/store-suite.ts';

const ttlSeconds = { short: 60, long: 300 };
/** More than the queue of a watch holds (change-feed.ts). */
const bulk = 6000;

function underTest(store: Store, clock: FakeClock, release: () => void): StoreUnderTest {
  return {
    store,
    elapse: seconds => clock.advance(seconds * 1000),
    async close() {
      await store.close();
      release();
    },
  };
}

storeSuite('memory', {
  ttlSeconds,
  bulk,
  async open() {
    const clock = new FakeClock();
    return underTest(new MemoryStore(clock), clock, () => {});
  },
});

storeSuite('sqlite', {
  ttlSeconds,
  bulk,
  async open() {
    const folder = mkdtempSync(join(tmpdir(), 'store-test-'));
    const clock = new FakeClock();
    const store = await openSqliteStore({ path: join(folder, 'state.db'), clock });
    return underTest(store, clock, () => rmSync(folder, { recursive: true }));
  },
});
