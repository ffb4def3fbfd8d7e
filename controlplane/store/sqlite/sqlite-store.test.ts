/** What only the SQLite store does: files, locks, formats, bounds. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { openDatabase, unavailable } from './driver.ts';
import { openSqliteStore } from './open-sqlite-store.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'store-sqlite-'));
  path = join(folder, 'deep', 'state.db');
});
afterEach(() => rmSync(folder, { recursive: true }));

test('everything is there again after close() and open', async () => {
  const first = await openSqliteStore({ path });
  await first.create('/a', Buffer.from('1'));
  await first.update('/a', Buffer.from('2'), 2);
  await first.close();
  const second = await openSqliteStore({ path });
  expect(await second.get('/a', { revision: 2 })).toMatchObject({ value: Buffer.from('1') });
  expect(await second.create('/b', Buffer.from('1'))).toBe(4);
  await second.close();
});

test('revisions go on after compaction removed the newest row', async () => {
  const first = await openSqliteStore({ path });
  await first.create('/a', Buffer.from('1'));
  await first.delete('/a');
  await first.compact(3);
  await first.close();
  const second = await openSqliteStore({ path });
  expect(await second.currentRevision()).toBe(3);
  expect(await second.create('/a', Buffer.from('1'))).toBe(4);
  await second.close();
});

test('files belong to their owner alone', async () => {
  const store = await openSqliteStore({ path });
  await store.create('/a', Buffer.from('1'));
  for (const file of [path, `${path}-wal`]) expect(statSync(file).mode & 0o777).toBe(0o600);
  await store.close();
});

test('a file damaged in its middle is called damaged by whatever reads it', async () => {
  const store = await openSqliteStore({ path });
  for (let i = 0; i < 200; i++) await store.create(`/${i}`, Buffer.alloc(3_000, 'x'));
  await store.close();
  const bytes = readFileSync(path);
  bytes.fill(0xa5, bytes.length / 4, (bytes.length * 3) / 4);
  writeFileSync(path, bytes);
  const read = async (): Promise<unknown> => {
    const damaged = await openSqliteStore({ path });
    try {
      return await damaged.list('/');
    } finally {
      await damaged.close().catch(() => undefined);
    }
  };
  await expect(read()).rejects.toMatchObject({ reason: 'corrupt', message: expect.stringContaining('backup') });
});

test.each(['EROFS', 'EACCES'])('%s of the file system comes with what to look at', code => {
  const error = unavailable(Object.assign(new Error(`${code}: said`), { code }), '/x/state.db');
  expect(error).toMatchObject({ reason: 'io', message: expect.stringMatching(/state\.db cannot be written.*mount/) });
});

test('a second opener is told who has the store, the first goes on', async () => {
  const store = await openSqliteStore({ path });
  await expect(openSqliteStore({ path })).rejects.toMatchObject({
    reason: 'locked',
    message: expect.stringContaining(`in use by process ${process.pid} (`),
  });
  const script = `
    const { DatabaseSync } = require('@photostructure/sqlite');
    try { new DatabaseSync(process.argv[1]).exec('BEGIN IMMEDIATE'); console.log('open') } catch (e) { console.log(e.errcode) }`;
  const other = spawnSync(process.execPath, ['-e', script, path], { encoding: 'utf8' });
  expect(other.stdout.trim()).toBe('5');
  await store.create('/a', Buffer.from('1'));
  await store.close();
});

test('a folder that others can look into is closed to them, one that all users share is refused', async () => {
  const open = join(folder, 'open');
  mkdirSync(open);
  chmodSync(open, 0o755);
  await (await openSqliteStore({ path: join(open, 'state.db') })).close();
  expect(statSync(open).mode & 0o777).toBe(0o700);
  chmodSync(open, 0o1777);
  await expect(openSqliteStore({ path: join(open, 'state.db') })).rejects.toMatchObject({
    reason: 'io',
    message: expect.stringContaining('a folder of its own'),
  });
});

test('a store of format 1 is brought up to date', async () => {
  await (await openSqliteStore({ path })).close();
  rmSync(`${path}-acknowledged`);
  const db = await openDatabase(path);
  db.exec(`DROP TABLE log; DROP TABLE meta;
    CREATE TABLE log (revision INTEGER PRIMARY KEY, key TEXT NOT NULL, previous INTEGER NOT NULL, created INTEGER NOT NULL,
      deleted INTEGER NOT NULL, due INTEGER, value BLOB);
    CREATE UNIQUE INDEX log_key ON log (key, previous);
    CREATE INDEX log_due ON log (due) WHERE due IS NOT NULL;
    CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO meta VALUES ('compacted', 2);
    INSERT INTO log VALUES (2, '/a', 0, 2, 0, NULL, x'31'), (3, '/b', 0, 3, 0, 5000, x'32'), (4, '/b', 3, 3, 1, NULL, NULL);
    PRAGMA user_version = 1`);
  db.close();
  for (const revision of [5, 6]) {
    const store = await openSqliteStore({ path });
    expect((await store.list('/', { revision: 3 })).items.map(i => `${i.key} ${i.value.toString()}`)).toEqual([
      '/a 1',
      '/b 2',
    ]);
    await expect(store.list('/', { revision: 1 })).rejects.toThrow('compacted');
    expect(await store.create(`/${revision}`, Buffer.from('1'))).toBe(revision);
    await store.close();
  }
});

test('a newer format is refused by name', async () => {
  await (await openSqliteStore({ path })).close();
  const db = await openDatabase(path);
  db.exec('PRAGMA user_version = 99');
  db.close();
  await expect(openSqliteStore({ path })).rejects.toMatchObject({
    reason: 'newerFormat',
    message: expect.stringContaining('format 99'),
  });
});

test('what is no store is refused and left alone', async () => {
  const text = join(folder, 'text.db');
  writeFileSync(text, 'x'.repeat(10_000));
  await expect(openSqliteStore({ path: text })).rejects.toMatchObject({ reason: 'corrupt' });
  const foreign = join(folder, 'foreign.db');
  const db = await openDatabase(foreign);
  db.exec('CREATE TABLE t (a)');
  db.close();
  await expect(openSqliteStore({ path: foreign })).rejects.toMatchObject({ reason: 'corrupt' });
});

test('a log torn at its end loses nothing before the tear', async () => {
  const writer = `
    const { DatabaseSync } = require('@photostructure/sqlite');
    const db = new DatabaseSync(process.argv[1]);
    db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0');
    const insert = db.prepare('INSERT INTO log VALUES (?, ?, 0, ?, 0, NULL, ?, ?)');
    const { crc32 } = require('node:zlib');
    const value = Buffer.alloc(3000);
    for (let i = 2; i < 12; i++) insert.run(i, '/k' + i, i, crc32(value, crc32(i + ' 0 ' + i + ' 0 - /k' + i)), value);
    process.kill(process.pid, 'SIGKILL');`;
  await (await openSqliteStore({ path })).close();
  spawnSync(process.execPath, ['-e', writer, path]);
  truncateSync(`${path}-wal`, statSync(`${path}-wal`).size - 100);
  const store = await openSqliteStore({ path });
  expect((await store.list('/')).items).toHaveLength(9);
  expect(await store.create('/new', Buffer.from('1'))).toBe(11);
  await store.close();
});

test('history, file and log stay as large as they were under overwriting, and a quiet store arms no timer', async () => {
  const clock = new FakeClock();
  const store = await openSqliteStore({ path, clock, history: { keepMs: 1000, maxRevisions: 300 } });
  expect(clock.pending).toBe(0);
  const value = Buffer.alloc(10_000, 'x');
  const revisions = await Promise.all(Array.from({ length: 10 }, (_, i) => store.create(`/k${i}`, value)));
  const overwrite = async (rounds: number): Promise<{ file: number; log: number }> => {
    for (let round = 0; round < rounds; round++) {
      await Promise.all(
        revisions.map(async (revision, i) => (revisions[i] = await store.update(`/k${i}`, value, revision))),
      );
    }
    return { file: statSync(path).size, log: statSync(`${path}-wal`).size };
  };
  const first = await overwrite(200);
  const later = await overwrite(400);
  expect(later.file / first.file).toBeLessThan(1.5);
  expect(later.log / first.log).toBeLessThan(1.5);

  const current = await store.currentRevision();
  await expect(store.list('/', { revision: current - 2500 })).rejects.toThrow('compacted');
  const forgotten = (): Promise<boolean> =>
    store.list('/', { revision: current - 1 }).then(
      () => false,
      () => true,
    );
  for (let i = 0; i < 500 && (clock.pending > 0 || !(await forgotten())); i++) {
    await clock.advance(1000);
    await new Promise(resolve => setTimeout(resolve, 5));
  }
  expect(clock.pending).toBe(0);
  await expect(store.list('/', { revision: current - 1 })).rejects.toThrow('compacted');
  expect((await store.list('/')).items).toHaveLength(10);
  await store.close();
}, 60_000);

test('a key that came due while nobody ran is deleted after opening', async () => {
  const clock = new FakeClock();
  const first = await openSqliteStore({ path, clock });
  await first.create('/event', Buffer.from('1'), { ttlSeconds: 3600 });
  await first.close();
  await clock.advance(4_000_000);
  const second = await openSqliteStore({ path, clock });
  expect(await second.get('/event')).toBeDefined();
  await clock.advance(2000);
  for await (const batch of second.watch('/', 2, new AbortController().signal)) {
    if (batch.events.length === 0) continue;
    expect(batch.events).toMatchObject([{ type: 'delete', key: '/event' }]);
    break;
  }
  await second.close();
});

test('a store that held a cluster and lost its file is refused, not begun anew', async () => {
  const path = join(folder, 'lost', 'state.db');
  await (await openSqliteStore({ path })).close();
  writeFileSync(path, '');
  await expect(openSqliteStore({ path })).rejects.toMatchObject({
    reason: 'corrupt',
    message: expect.stringContaining('is empty now'),
  });
  rmSync(path);
  await expect(openSqliteStore({ path })).rejects.toMatchObject({ message: expect.stringContaining('is gone now') });
  rmSync(`${path}-acknowledged`);
  await (await openSqliteStore({ path })).close();
});

test('of many keys that come due at once the last cost no more than the first, and no turn of the event loop is long', async () => {
  const clock = new FakeClock();
  const store = await openSqliteStore({ path, clock });
  const count = 30_000;
  const value = Buffer.alloc(200);
  const keys = Array.from({ length: count }, (_, i) => `/event/${i}`);
  await Promise.all(keys.map(key => store.create(key, value, { ttlSeconds: 60 })));
  const written = await store.currentRevision();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  /** Processor time, which neighbours do not take, and time. */
  const reached = async (revision: number): Promise<{ cpuMs: number; ms: number }> => {
    while ((await store.currentRevision()) < written + revision) await new Promise(resolve => setTimeout(resolve, 1));
    const { user, system } = process.cpuUsage();
    return { cpuMs: (user + system) / 1000, ms: performance.now() };
  };
  delay.enable();
  await clock.advance(62_000);
  const [begin, quarter, last, end] = [
    await reached(1),
    await reached(count / 4),
    await reached((count / 4) * 3),
    await reached(count),
  ];
  delay.disable();
  expect((end.cpuMs - last.cpuMs) / (quarter.cpuMs - begin.cpuMs)).toBeLessThan(2);
  expect(delay.max / 1e6 / (end.ms - begin.ms)).toBeLessThan(0.25);
  expect((await store.list('/event/')).items).toEqual([]);
  await store.close();
}, 60_000);
