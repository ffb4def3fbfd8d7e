/**
 * Writes to a store until it is killed, several writes at a time, and says on stdout what was acknowledged:
 * `c key revision` and `d key revision`, one a line. Run by the crash test.
 */
import { writeSync } from 'node:fs';
import { openSqliteStore } from '../sqlite/open-sqlite-store.ts';

/** At once, since a buffered line would die with the process; a reader that is slow is waited for. */
function say(line: string): void {
  for (let rest = Buffer.from(line); rest.length > 0; ) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

const [path = '', run = ''] = process.argv.slice(2);
const store = await openSqliteStore({ path, history: { keepMs: 60_000, maxRevisions: 500 } });
say(`o ${run} ${await store.currentRevision()}\n`);

async function write(lane: number): Promise<never> {
  for (let i = 0; ; i++) {
    const key = `/crash/${run}/${lane}/${i}`;
    const value = Buffer.from(`${key}${'x'.repeat((i * 37) % 3000)}`);
    const created = await store.create(key, value);
    say(`c ${key} ${created}\n`);
    if (i % 3 !== 0) continue;
    say(`t ${key} 0\n`);
    const { revision } = await store.delete(key);
    say(`d ${key} ${revision}\n`);
  }
}

await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map(write));
