/**
 * Disks that are full, read-only or gone, with real file systems: what was acknowledged is there, reads and watches go on,
 * the refusal says what to do, and writes work again without a restart once the disk does.
 */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { StoreUnavailableError, type Store } from '../store.ts';
import { openSqliteStore } from './open-sqlite-store.ts';

let root: string;
let mounted: string[];
const stores = new Set<Store>();

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'store-disk-'));
  mounted = [];
});
afterEach(async () => {
  for (const store of stores) await store.close();
  stores.clear();
  for (const folder of mounted.reverse()) execFileSync('umount', ['--lazy', folder]);
  rmSync(root, { recursive: true });
});

function mount(name: string, ...options: string[]): string {
  const folder = join(root, name);
  mkdirSync(folder, { recursive: true });
  execFileSync('mount', [...options, folder]);
  mounted.push(folder);
  return folder;
}

async function open(path: string): Promise<Store> {
  const store = await openSqliteStore({ path });
  stores.add(store);
  return store;
}

async function closed(store: Store): Promise<void> {
  stores.delete(store);
  await store.close();
}

/** Follows everything; `stop()` gives the revisions that came, in their order. */
function follow(store: Store, after: number): { revisions: number[]; stop(): Promise<number[]> } {
  const abort = new AbortController();
  const revisions: number[] = [];
  const running = (async () => {
    for await (const batch of store.watch('/', after, abort.signal))
      revisions.push(...batch.events.map(e => e.revision));
  })();
  return {
    revisions,
    async stop() {
      abort.abort();
      await running;
      return revisions;
    },
  };
}

const valueOf = (key: string): Buffer => Buffer.alloc(key.startsWith('/small/') ? 10 : 3000, key);

/** Writes until not even small values are taken any more: there may be some room left in the store's own files. @returns why */
async function fill(store: Store, acknowledged: Map<string, number>, name: string): Promise<StoreUnavailableError> {
  for (let i = 0, refusals = 0; i < 10_000; i++) {
    const keys =
      refusals === 0 ? Array.from({ length: 4 }, (_, lane) => `/large/${name}/${lane}/${i}`) : [`/small/${name}/${i}`];
    const outcomes = await Promise.allSettled(keys.map(key => store.create(key, valueOf(key))));
    outcomes.forEach((o, lane) => o.status === 'fulfilled' && acknowledged.set(keys[lane] as string, o.value));
    const refused = outcomes.find(o => o.status === 'rejected');
    if (refused !== undefined) refusals++;
    if (refused !== undefined && refusals > 20) return refused.reason as StoreUnavailableError;
  }
  throw new Error('the disk never became full');
}

async function expectAll(store: Store, acknowledged: ReadonlyMap<string, number>): Promise<void> {
  const { items } = await store.list('/');
  const found = new Map(items.map(i => [i.key, i]));
  for (const [key, revision] of acknowledged) {
    expect([key, found.get(key)?.revision]).toEqual([key, revision]);
    expect(found.get(key)?.value.equals(valueOf(key))).toBe(true);
  }
}

test('a full disk: writes are refused with the next step, all else goes on, and they work again when there is space', async () => {
  const disk = mount('full', '-t', 'tmpfs', '-o', 'size=4m', 'tmpfs');
  const store = await open(join(disk, 'server', 'state.db'));
  const watch = follow(store, 1);
  const acknowledged = new Map<string, number>();
  for (let round = 0; round < 3; round++) {
    const why = await fill(store, acknowledged, `round-${round}`);
    expect(why).toMatchObject({ reason: 'full', message: expect.stringMatching(/state\.db cannot grow.*free some/) });
    await expect(store.create('/more', Buffer.alloc(3000))).rejects.toMatchObject({ reason: 'full' });
    await expect(store.checkWritable?.()).rejects.toMatchObject({ reason: 'full' });
    await expectAll(store, acknowledged);
    expect(await store.currentRevision()).toBe(acknowledged.size + 1);

    execFileSync('mount', ['-o', `remount,size=${12 * (round + 1)}m`, disk]);
    await expect(store.checkWritable?.()).resolves.toBeUndefined();
  }
  acknowledged.set('/after', await store.create('/after', valueOf('/after')));
  while (watch.revisions.length < acknowledged.size) await new Promise(resolve => setTimeout(resolve, 5));
  expect(await watch.stop()).toEqual(Array.from({ length: acknowledged.size }, (_, i) => i + 2));
  await closed(store);
  await expectAll(await open(join(disk, 'server', 'state.db')), acknowledged);
}, 60_000);

test('a store that was killed on a full disk opens there, and reads', async () => {
  const disk = mount('killed', '-t', 'tmpfs', '-o', 'size=4m', 'tmpfs');
  const path = join(disk, 'server', 'state.db');
  const store = await open(path);
  const acknowledged = new Map<string, number>();
  await fill(store, acknowledged, 'a');
  // What kill -9 would leave, on a disk that is as full.
  const other = join(mount('copy', '-t', 'tmpfs', '-o', 'size=4m', 'tmpfs'), 'server');
  mkdirSync(other, { mode: 0o700 });
  for (const file of readdirSync(join(disk, 'server'))) copyFileSync(join(disk, 'server', file), join(other, file));
  try {
    writeFileSync(join(other, '..', 'filler'), Buffer.alloc(8_000_000));
  } catch (error) {
    expect(error).toMatchObject({ code: 'ENOSPC' });
  }
  const again = await open(join(other, basename(path)));
  await expectAll(again, acknowledged);
  rmSync(join(other, '..', 'filler'));
  execFileSync('mount', ['-o', 'remount,size=16m', join(other, '..')]);
  await again.create('/after', Buffer.alloc(3000));
  await closed(again);
}, 60_000);

test('a read-only disk at start is refused with what to look at', async () => {
  const disk = mount('readonly', '-t', 'tmpfs', '-o', 'size=4m', 'tmpfs');
  const path = join(disk, 'server', 'state.db');
  const store = await open(path);
  await store.create('/a', valueOf('/a'));
  await closed(store);
  const same = mount('same', '--bind', disk);
  execFileSync('mount', ['-o', 'remount,bind,ro', same]);
  await expect(open(join(same, 'server', 'state.db'))).rejects.toMatchObject({
    reason: 'io',
    message: expect.stringMatching(/state\.db cannot be (written|opened).*mount/),
  });
  await expect(open(join(same, 'other', 'state.db'))).rejects.toMatchObject({ reason: 'io' });
  await expectAll(await open(path), new Map([['/a', 2]]));
});

// The kernel has to offer what breaks such a disk.
const canBreak = existsSync('/dev/loop-control') && existsSync('/sys/fs/ext4');
(canBreak ? test : test.skip)(
  'a disk that turns read-only under the store: reads go on, writes are refused, nothing acknowledged is lost',
  async () => {
    const file = join(root, 'disk.img');
    writeFileSync(file, '');
    truncateSync(file, 32 * 1024 * 1024);
    execFileSync('mkfs.ext4', ['-q', '-F', '-e', 'remount-ro', file]);
    const disk = mount('ext4', '-o', 'loop,errors=remount-ro', file);
    const device = execFileSync('findmnt', ['-no', 'SOURCE', disk], { encoding: 'utf8' }).trim();
    const trigger = `/sys/fs/ext4/${basename(device)}/trigger_fs_error`;
    expect(existsSync(trigger)).toBe(true);

    const store = await open(join(disk, 'server', 'state.db'));
    const acknowledged = new Map<string, number>();
    for (let i = 0; i < 50; i++)
      acknowledged.set(`/k/${i}`, await store.create(`/k/${i}`, Buffer.alloc(3000, `/k/${i}`)));
    writeFileSync(trigger, '1');
    for (let i = 0; i < 3; i++) {
      await expect(store.create('/more', Buffer.alloc(3000))).rejects.toBeInstanceOf(StoreUnavailableError);
    }
    await expect(store.checkWritable?.()).rejects.toMatchObject({
      message: expect.stringMatching(/state\.db.*(disk|mount)/),
    });
    await closed(store).catch(() => undefined);

    // The disk as another machine would find it.
    const found = join(root, 'found.img');
    copyFileSync(file, found);
    try {
      execFileSync('e2fsck', ['-fy', found], { stdio: 'ignore' });
    } catch (error) {
      // 1: errors were corrected.
      expect(error).toMatchObject({ status: 1 });
    }
    const mended = mount('mended', '-o', 'loop', found);
    await expectAll(await open(join(mended, 'server', 'state.db')), acknowledged);
  },
  60_000,
);
