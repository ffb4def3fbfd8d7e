/**
 * Files that were damaged, cut or removed, and power cuts: either every acknowledged write is there after opening, or opening
 * is refused with the damage named; and what a power cut leaves of unacknowledged writes is never taken for damage.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { StoreUnavailableError, type Store } from '../store.ts';
import { openSqliteStore } from './open-sqlite-store.ts';

const RUNS = Number(process.env['STORE_DAMAGE_RUNS'] ?? 10);
const SECTOR = 512;
const FILES = ['state.db', 'state.db-wal', 'state.db-acknowledged'] as const;

/** What a moment left on the disk, and what had been acknowledged then: `revision:value` by key. */
interface Image {
  readonly files: ReadonlyMap<string, Buffer>;
  readonly acknowledged: ReadonlyMap<string, string>;
  readonly revision: number;
}

let root: string;
let folders = 0;
const images = {} as Record<'log' | 'folded' | 'begunAnew' | 'closed', Image>;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'store-damage-'));
  const path = join(root, 'origin', 'state.db');
  let store = await openSqliteStore({ path });
  await write(store, 'old', 60);
  await store.close();
  store = await openSqliteStore({ path });
  await write(store, 'new', 40);
  await store.compact(20);
  await write(store, 'newest', 10);
  images.log = await imageOf(store, path);
  await store.close();
  images.closed = await imageOf(undefined, path, images.log);

  // Opened after a kill the log is folded, and begun anew by the next write.
  const crashed = place(images.log);
  store = await openSqliteStore({ path: crashed });
  images.folded = await imageOf(store, crashed);
  await write(store, 'anew', 3);
  images.begunAnew = await imageOf(store, crashed);
  await store.close();
});
afterAll(() => rmSync(root, { recursive: true }));

/** Creates, updates and deletes, each in a transaction of its own. */
async function write(store: Store, name: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const revision = await store.create(`/${name}/${i}`, Buffer.alloc(50 + ((i * 397) % 6000), `${name}${i}`));
    if (i % 3 === 0) await store.update(`/${name}/${i}`, Buffer.from(`changed ${i}`), revision);
    if (i % 5 === 0) await store.delete(`/${name}/${i}`);
  }
}

async function contents(store: Store): Promise<{ acknowledged: Map<string, string>; revision: number }> {
  const { items, revision } = await store.list('/');
  return { acknowledged: new Map(items.map(i => [i.key, `${i.revision}:${i.value.toString()}`])), revision };
}

/** The files as they are now: as all writing is done by system calls, that is what kill -9 would leave. */
async function imageOf(store: Store | undefined, path: string, like?: Image): Promise<Image> {
  const known = like ?? (await contents(store as Store));
  const present = FILES.filter(name => existsSync(join(path, '..', name)));
  const files = new Map(present.map(name => [name, readFileSync(join(path, '..', name))]));
  return { files, acknowledged: known.acknowledged, revision: known.revision };
}

/** @returns the path of the store in a folder of its own */
function place(image: Image): string {
  const folder = join(root, String(folders++));
  mkdirSync(folder, { mode: 0o700 });
  for (const [name, bytes] of image.files) writeFileSync(join(folder, name), bytes);
  return join(folder, 'state.db');
}

/** Opens it and compares; a refusal has to name what it is about. @returns why it was refused, if it was */
async function openAndCompare(path: string, { acknowledged, revision }: Image): Promise<string | undefined> {
  let store: Store;
  try {
    store = await openSqliteStore({ path });
  } catch (error) {
    if (!(error instanceof StoreUnavailableError)) throw error;
    expect(error.message).toContain(path);
    expect(error.message).toMatch(/damaged|held a cluster|not a k8ts store|has format/);
    return error.message;
  }
  try {
    const found = await contents(store);
    expect(found.acknowledged).toEqual(acknowledged);
    expect(await store.create('/after', Buffer.from('x'))).toBeGreaterThan(revision);
  } finally {
    await store.close();
    rmSync(join(path, '..'), { recursive: true });
  }
  return undefined;
}

type Damage =
  | { kind: 'flip' | 'zero' | 'noise'; at: number; length: number }
  | { kind: 'cut' | 'append'; at: number; length: number }
  | { kind: 'remove'; at: number; length: number };

/** `at` runs from 0 (first byte) to 1 (last). */
const damage: fc.Arbitrary<Damage> = fc.record({
  kind: fc.constantFrom('flip', 'flip', 'flip', 'zero', 'noise', 'cut', 'append', 'remove'),
  at: fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, 1)),
  length: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 9000 })),
});

function apply(bytes: Buffer, { kind, at, length }: Damage): Buffer | undefined {
  const from = Math.min(Math.floor(at * bytes.length), Math.max(0, bytes.length - 1));
  const damaged = Buffer.from(bytes);
  const part = damaged.subarray(from, kind === 'flip' ? from + 1 : from + length);
  switch (kind) {
    case 'flip':
      part[0] = (part[0] ?? 0) ^ (1 << (length % 8));
      return damaged;
    case 'zero':
      part.fill(0);
      return damaged;
    case 'noise':
      part.forEach((byte, i) => (part[i] = (byte * 31 + i * 17 + 89) & 0xff));
      return damaged;
    case 'cut':
      return damaged.subarray(0, from);
    case 'append':
      return Buffer.concat([damaged, Buffer.alloc(length, 0x5a)]);
    case 'remove':
      return undefined;
  }
}

describe.each(['log', 'folded', 'begunAnew', 'closed'] as const)('damage to the files of a store (%s)', name => {
  test.each(FILES)(
    '%s',
    async file => {
      const bytes = images[name].files.get(file);
      if (bytes === undefined) return expect([name, file]).toEqual(['closed', 'state.db-wal']);
      await fc.assert(
        fc.asyncProperty(damage, async how => {
          const damaged = apply(bytes, how);
          const files = new Map(images[name].files);
          if (damaged === undefined) files.delete(file);
          else files.set(file, damaged);
          const image = { ...images[name], files };
          const path = place(image);
          const why = await openAndCompare(path, image);
          if (file === 'state.db-acknowledged') expect(why).toBeUndefined();
          if (why?.includes('Nothing was changed') !== true) return;
          for (const [each, content] of files) expect(readFileSync(join(path, '..', each)).equals(content)).toBe(true);
          // Asked again it says the same.
          expect(await openAndCompare(path, image)).toBe(why);
        }),
        { numRuns: RUNS },
      );
    },
    60_000 + RUNS * 1_000,
  );
});

test('a log whose every byte is flipped in turn of a small store loses nothing in silence', async () => {
  const path = join(root, 'small', 'state.db');
  const store = await openSqliteStore({ path });
  for (let i = 0; i < 3; i++) await store.create(`/small/${i}`, Buffer.from(`value ${i}`));
  const image = await imageOf(store, path);
  await store.close();
  const bytes = image.files.get('state.db-wal') as Buffer;
  let refused = 0;
  for (let at = 0; at < bytes.length; at += bytes.length < 60_000 ? 331 : 997) {
    const files = new Map(image.files).set(
      'state.db-wal',
      apply(bytes, { kind: 'flip', at: at / bytes.length, length: 3 }) as Buffer,
    );
    if ((await openAndCompare(place({ ...image, files }), image)) !== undefined) refused++;
  }
  expect(refused).toBeGreaterThan(10);
});

test('a log damaged in its middle is refused with what is lost and the ways out, and opens once that is accepted', async () => {
  const files = new Map(images.log.files);
  const log = Buffer.from(files.get('state.db-wal') as Buffer);
  log.fill(0, log.length / 2, log.length / 2 + 512);
  files.set('state.db-wal', log);
  const path = place({ ...images.log, files });
  const { revision } = images.log;
  await expect(openSqliteStore({ path })).rejects.toMatchObject({
    reason: 'corrupt',
    message: expect.stringMatching(
      new RegExp(`state.db-wal is damaged or cut at byte \\d+ .*revisions \\d+ to ${revision} .*backup.*mv \\S+ \\S+`),
    ),
  });
  cpSync(`${path}-acknowledged`, `${path}-accept-loss`);
  rmSync(`${path}-acknowledged`);
  const store = await openSqliteStore({ path });
  const { acknowledged } = await contents(store);
  expect(acknowledged.size).toBeLessThan(images.log.acknowledged.size);
  for (const key of acknowledged.keys()) expect(key).toMatch(/^\/(old|new|newest)\//);
  // No revision is given out a second time, and whoever watched from one that is lost lists again.
  await expect(store.list('/', { revision: revision - 1 })).rejects.toThrow('compacted');
  expect(await store.create('/after', Buffer.from('x'))).toBeGreaterThan(revision);
  await store.close();
  expect(readdirSync(join(path, '..')).sort()).toEqual(['state.db', 'state.db-acknowledged']);
});

test('the loss of a log begun anew is noticed, also where its first write is larger than the whole log before', async () => {
  const first = await openSqliteStore({ path: join(root, 'anew', 'state.db') });
  await first.create('/a', Buffer.from('x'));
  const killed = await imageOf(first, join(root, 'anew', 'state.db'));
  await first.close();
  const path = place(killed);
  const store = await openSqliteStore({ path });
  await Promise.all(Array.from({ length: 30 }, (_, i) => store.create(`/batch/${i}`, Buffer.alloc(3000))));
  const image = await imageOf(store, path);
  await store.close();
  const log = image.files.get('state.db-wal') as Buffer;
  const files = new Map(image.files).set('state.db-wal', log.subarray(0, log.length / 2));
  await expect(openSqliteStore({ path: place({ ...image, files }) })).rejects.toMatchObject({
    reason: 'corrupt',
    message: expect.stringContaining('damaged or cut at byte'),
  });
});

test('an older copy of the file is refused', async () => {
  const path = join(root, 'older', 'state.db');
  let store = await openSqliteStore({ path });
  await write(store, 'a', 5);
  await store.close();
  const old = readFileSync(path);
  store = await openSqliteStore({ path });
  await write(store, 'b', 5);
  const current = await store.currentRevision();
  await store.close();
  writeFileSync(path, old);
  await expect(openSqliteStore({ path })).rejects.toMatchObject({
    reason: 'corrupt',
    message: expect.stringMatching(new RegExp(`ends at revision \\d+, but .* ${current} were acknowledged`)),
  });
});

test(
  'a power cut under a write leaves some of its sectors on the disk and others not: nothing acknowledged is lost, nothing is refused',
  async () => {
    const path = join(root, 'power', 'state.db');
    const store = await openSqliteStore({ path });
    await write(store, 'before', 20);
    const durable = await imageOf(store, path);
    // One batch, and so one flush.
    await Promise.all(Array.from({ length: 30 }, (_, i) => store.create(`/batch/${i}`, Buffer.alloc(700, `${i}`))));
    const after = await imageOf(store, path);
    await store.close();
    const [from, to] = [durable.files.get('state.db-wal'), after.files.get('state.db-wal')] as [Buffer, Buffer];
    await fc.assert(
      fc.asyncProperty(someOf(from, to), async log => {
        const image = { ...durable, files: new Map(durable.files).set('state.db-wal', log) };
        const opened = await openSqliteStore({ path: place(image) });
        const { acknowledged } = await contents(opened);
        await opened.close();
        const batch = [...acknowledged.keys()].filter(key => key.startsWith('/batch/'));
        // All of it or nothing.
        expect([0, 30]).toContain(batch.length);
        for (const key of batch) acknowledged.delete(key);
        expect(acknowledged).toEqual(durable.acknowledged);
      }),
      { numRuns: RUNS },
    );
  },
  60_000 + RUNS * 1_000,
);

test(
  'a power cut while the log is folded into the file: everything is there',
  async () => {
    const [from, to] = [images.log.files.get('state.db'), images.folded.files.get('state.db')] as [Buffer, Buffer];
    await fc.assert(
      fc.asyncProperty(someOf(from, to), async database => {
        const image = { ...images.log, files: new Map(images.log.files).set('state.db', database) };
        expect(await openAndCompare(place(image), image)).toBeUndefined();
      }),
      { numRuns: RUNS },
    );
  },
  60_000 + RUNS * 1_000,
);

/** What may be on the disk when the power goes while `from` becomes `to`: any of the sectors that differ, and not the others. */
function someOf(from: Buffer, to: Buffer): fc.Arbitrary<Buffer> {
  const changed = Array.from({ length: Math.ceil(to.length / SECTOR) }, (_, i) => i * SECTOR).filter(
    at => !from.subarray(at, at + SECTOR).equals(to.subarray(at, at + SECTOR)),
  );
  return fc.array(fc.boolean(), { minLength: changed.length, maxLength: changed.length }).map(written => {
    const mixed = Buffer.concat([from, Buffer.alloc(Math.max(0, to.length - from.length))]);
    changed.forEach((at, i) => written[i] === true && to.copy(mixed, at, at, at + SECTOR));
    return mixed;
  });
}
