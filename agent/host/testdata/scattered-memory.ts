/** A process of its own that frees most of many small pieces of native memory, and tells what it held before, at the most, and in the end. */
import { setTimeout as sleep } from 'node:timers/promises';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { nativeBytes, UnusedMemory } from '../unused-memory.ts';

const PIECES = 60_000;
const PIECE_BYTES = 2_000;

const clock = new FakeClock();
const stop = new AbortController();
const before = nativeBytes();
const run = new UnusedMemory(clock).run(stop.signal);
await clock.advance(0);
let pieces = Array.from({ length: PIECES }, () => Buffer.allocUnsafeSlow(PIECE_BYTES).fill(1));
const full = nativeBytes();
pieces = pieces.filter((_piece, i) => i % 50 === 0);
// Buffers are freed by the collector, in the background.
for (let i = 0; i < 5; i++) {
  globalThis.gc?.();
  await sleep(20);
}
await clock.advance(30_000);
let after = nativeBytes();
for (let i = 0; i < 50 && after > before + (full - before) / 2; i++) {
  await sleep(20);
  after = nativeBytes();
}
stop.abort();
await run;
process.stdout.write(JSON.stringify({ before, full, after, kept: pieces.length, timers: clock.pending }));
