/** What writers hear when the disk fails under a batch. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { KeyExistsError } from '../store.ts';
import { openDatabase, type SqlDatabase } from './driver.ts';
import { GroupCommit, type Applied, type CommittedBatch } from './group-commit.ts';
import type { LogFile } from './log-file.ts';

const put =
  (key: string) =>
  (revision: number): Applied => ({
    event: { type: 'put', key, revision, kv: { key, value: Buffer.alloc(0), revision, createRevision: revision } },
  });

async function withCommits(
  flush: () => Promise<void>,
  work: (commits: GroupCommit, batches: CommittedBatch[], db: SqlDatabase) => Promise<void>,
  clock = new FakeClock(),
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'store-commit-'));
  const path = join(folder, 'x.db');
  const db = await openDatabase(path);
  const batches: CommittedBatch[] = [];
  const file = { flush } as unknown as LogFile;
  const onDurable = (batch: CommittedBatch): void => void batches.push(batch);
  await work(new GroupCommit({ db, file, path, clock, revision: 1, onDurable }), batches, db);
  db.close();
  rmSync(folder, { recursive: true });
}

test('submit() puts what arrives together into one batch, and a refusal takes no revision', async () => {
  let flushes = 0;
  const flush = async (): Promise<void> => void flushes++;
  await withCommits(flush, async (commits, batches) => {
    const refuse = (): Applied => {
      throw new KeyExistsError('/b');
    };
    const outcomes = await Promise.allSettled([
      commits.submit(1, put('/a')),
      commits.submit(1, refuse),
      commits.submit(1, put('/c')),
    ]);
    expect(outcomes.map(o => o.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(batches.map(b => b.events.map(e => [e.key, e.revision]))).toEqual([
      [
        ['/a', 2],
        ['/c', 3],
      ],
    ]);
    expect(flushes).toBe(1);
  });
});

test('submit() lets patient writes wait for each other, and takes them along with an impatient one', async () => {
  const clock = new FakeClock();
  const sizes = (batches: CommittedBatch[]): number[] => batches.map(b => b.events.length);
  const work = async (commits: GroupCommit, batches: CommittedBatch[]): Promise<void> => {
    const patient = [commits.submit(1, put('/a'), 100)];
    await new Promise(setImmediate);
    await clock.advance(99);
    patient.push(commits.submit(1, put('/b'), 100));
    await new Promise(setImmediate);
    expect(batches).toEqual([]);
    await clock.advance(1);
    await Promise.all(patient);
    expect(sizes(batches)).toEqual([2]);

    await Promise.all([commits.submit(1, put('/c'), 100), commits.submit(1, put('/d'))]);
    expect(sizes(batches)).toEqual([2, 2]);

    const last = commits.submit(1, put('/e'), 100);
    await commits.stop();
    await last;
  };
  await withCommits(async () => {}, work, clock);
});

test('submit() rejects the whole batch when SQLite fails, and goes on with the next', async () => {
  await withCommits(
    async () => {},
    async (commits, batches, db) => {
      const fail = (): Applied => {
        db.exec('INSERT INTO nowhere VALUES (1)');
        throw new Error('not reached');
      };
      const outcomes = await Promise.allSettled([commits.submit(1, put('/a')), commits.submit(1, fail)]);
      expect(outcomes.map(o => o.status)).toEqual(['rejected', 'rejected']);
      expect(batches).toEqual([]);
      expect((await commits.submit(1, put('/a'))).event.revision).toBe(2);
    },
  );
});

test('submit() refuses everything once a flush has failed', async () => {
  const flush = (): Promise<void> => Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO' }));
  await withCommits(flush, async (commits, batches) => {
    await expect(commits.submit(1, put('/a'))).rejects.toMatchObject({ reason: 'unknownOutcome' });
    expect(batches).toEqual([]);
    expect(() => commits.submit(1, put('/b'))).toThrow(expect.objectContaining({ reason: 'io' }));
  });
});

test('between() runs between batches, and stop() waits for what was accepted', async () => {
  const order: string[] = [];
  let release = (): void => {};
  const flush = (): Promise<void> => new Promise(resolve => (release = resolve));
  await withCommits(flush, async commits => {
    const write = commits.submit(1, put('/a')).then(() => order.push('written'));
    const step = commits.between(() => void order.push('step'));
    await new Promise(resolve => setImmediate(() => setImmediate(resolve)));
    const stopped = commits.stop().then(() => order.push('stopped'));
    release();
    await Promise.all([write, step, stopped]);
    expect(order).toEqual(['written', 'step', 'stopped']);
  });
});
