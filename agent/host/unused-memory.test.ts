import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from '@jest/globals';
import { FakeClock } from '../../machinery/process/clock.ts';
import { nativeBytes, UnusedMemory } from './unused-memory.ts';

const PIECES = 60_000;
const PIECE_BYTES = 2_000;
const MB = 1024 * 1024;

test('run() gives pages back that lie free between used pieces', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const clock = new FakeClock();
  const stop = new AbortController();
  // What suites before this one left behind is given back first.
  let before = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 100 && Math.abs(before - nativeBytes()) > MB; i++) {
    before = nativeBytes();
    collect();
    await new Promise(resolve => setTimeout(resolve, 20));
  }
  const run = new UnusedMemory(clock).run(stop.signal);
  await clock.advance(0);
  let pieces = Array.from({ length: PIECES }, () => Buffer.allocUnsafeSlow(PIECE_BYTES).fill(1));
  const full = nativeBytes();
  pieces = pieces.filter((_piece, i) => i % 50 === 0);
  // Buffers are freed by the collector, in the background.
  for (let i = 0; i < 5; i++) {
    collect();
    await new Promise(resolve => setTimeout(resolve, 20));
  }
  await clock.advance(30_000);
  for (let i = 0; i < 50 && nativeBytes() > before + (full - before) / 2; i++)
    await new Promise(resolve => setTimeout(resolve, 20));
  const after = nativeBytes();
  expect(full - before).toBeGreaterThan((PIECES * PIECE_BYTES) / 2);
  expect((after - before) / MB).toBeLessThan((full - before) / MB / 2);
  expect(pieces).toHaveLength(PIECES / 50);
  stop.abort();
  await run;
  expect(clock.pending).toBe(0);
});
