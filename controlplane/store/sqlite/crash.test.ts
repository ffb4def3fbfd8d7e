/** kill -9 at random moments: every acknowledged write is there, no revision is given out twice. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { openSqliteStore } from './open-sqlite-store.ts';

const KILLS = Number(process.env['STORE_KILLS'] ?? 4);
const writer = new URL('../testdata/crash-writer.ts', import.meta.url).pathname;

/** Lets a writer run, kills it somewhere, and returns the whole lines it wrote. */
function runAndKill(path: string, run: number): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', 'tsx', writer, path, `${run}`], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    let err = '';
    const killAfter = 1 + Math.floor(Math.random() * 200_000);
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
      if (out.length >= killAfter) child.kill('SIGKILL');
    });
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.on('close', (_code, signal) => {
      if (signal !== 'SIGKILL') reject(new Error(`the writer ended by itself: ${err}`));
      else
        resolve(
          out
            .slice(0, out.lastIndexOf('\n') + 1)
            .split('\n')
            .slice(0, -1),
        );
    });
  });
}

test(
  'acknowledged writes survive kill -9 and revisions are never reused',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'store-crash-'));
    const path = join(folder, 'state.db');
    const alive = new Map<string, number>();
    const attempted = new Set<string>();
    const revisions = new Set<number>();
    let writes = 0;
    for (let run = 0; run < KILLS; run++) {
      for (const line of await runAndKill(path, run)) {
        const [what, key = '', text = ''] = line.split(' ');
        const revision = Number(text);
        if (what === 't') attempted.add(key);
        if (what !== 'c' && what !== 'd') continue;
        expect(revisions.has(revision)).toBe(false);
        revisions.add(revision);
        writes++;
        if (what === 'c') alive.set(key, revision);
        else alive.delete(key);
      }
      const store = await openSqliteStore({ path });
      const { items, revision } = await store.list('/crash/');
      const found = new Map(items.map(i => [i.key, i]));
      expect(revision).toBeGreaterThanOrEqual(Math.max(...revisions));
      for (const [key, created] of alive) {
        const item = found.get(key);
        // A deletion that was under way may have happened without its answer.
        if (item === undefined && attempted.has(key)) continue;
        expect([key, item?.revision]).toEqual([key, created]);
        expect(item?.value.toString().startsWith(key)).toBe(true);
      }
      const gone = [...attempted].filter(key => !alive.has(key));
      for (const key of gone) expect(found.has(key)).toBe(false);
      await store.close();
    }
    expect(writes).toBeGreaterThan(KILLS);
    rmSync(folder, { recursive: true });
  },
  60_000 + KILLS * 15_000,
);
