import { Writable } from 'node:stream';
import { expect, test } from '@jest/globals';
import { BLOCK_BYTES } from './write-blocks.ts';
import { WatchPace } from './watch-pace.ts';

/** Takes each block a moment later. */
const reader = (): Writable =>
  new Writable({ highWaterMark: 1, write: (_block, _encoding, done) => void setTimeout(done, 1) });

function* blocksOf(pace: WatchPace, count: number, sizes: number[]): Generator<Buffer> {
  for (let i = 0; i < count; i++) {
    sizes.push(pace.blockBytes);
    yield Buffer.alloc(pace.blockBytes);
  }
}

test('WatchPace hands a prompt watcher more each time, up to what any client may hold', async () => {
  const pace = new WatchPace(60_000);
  const sizes: number[] = [];
  expect(await pace.write(reader(), blocksOf(pace, 6, sizes))).toBe(true);
  const first = sizes[0] ?? 0;
  expect(sizes).toEqual([first, 2 * first, 4 * first, 8 * first, BLOCK_BYTES, BLOCK_BYTES]);
});

test('WatchPace hands a slow watcher little', async () => {
  const pace = new WatchPace(0);
  const sizes: number[] = [];
  expect(await pace.write(reader(), blocksOf(pace, 3, sizes))).toBe(true);
  expect(new Set(sizes).size).toBe(1);
});

test('WatchPace ends with its client', async () => {
  const pace = new WatchPace();
  const body = reader();
  body.destroy();
  expect(await pace.write(body, blocksOf(pace, 3, []))).toBe(false);
});
