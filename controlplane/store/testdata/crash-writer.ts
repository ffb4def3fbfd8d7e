/**
 * Writes to a store until it is killed, several writes at a time, and says on stdout what was acknowledged:
 * `c key revision` and `d key revision`, one a line. Run by the crash test.
 */
import { writeSync } from 'node:fs';
import { openSqliteStore } from '../sqlite/open-sqlite-store.ts';

const [path = '', run = ''] = process.argv.slice(2);
const store = await openSqliteStore({ path, history: { keepMs: 60_000, maxRevisions: 500 } });
writeSync(1, `o ${run} ${await store.currentRevision()}\n`);

async function write(lane: number): Promise<never> {
  for (let i = 0; ; i++) {
    const key = `/crash/${run}/${lane}/${i}`;
    const value = Buffer.from(`${key}${'x'.repeat((i * 37) % 3000)}`);
    const created = await store.create(key, value);
    writeSync(1, `c ${key} ${created}\n`);
    if (i % 3 !== 0) continue;
    writeSync(1, `t ${key} 0\n`);
    const { revision } = await store.delete(key);
    writeSync(1, `d ${key} ${revision}\n`);
  }
}

await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map(write));
