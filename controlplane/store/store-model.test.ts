import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryStore } from './memory/memory-store.ts';
import { openSqliteStore } from './sqlite/open-sqlite-store.ts';
import { storeModelSuite } from './testdata/store-model-suite.ts';

storeModelSuite('memory', 200, async () => {
  const store = new MemoryStore();
  return { clients: [store], disturb: async () => {}, close: () => store.close() };
});

storeModelSuite('sqlite', 60, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'store-model-'));
  const store = await openSqliteStore({ path: join(folder, 'state.db') });
  return {
    clients: [store],
    disturb: async () => {},
    async close() {
      await store.close();
      rmSync(folder, { recursive: true });
    },
  };
});
