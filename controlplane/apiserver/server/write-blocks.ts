/**
 * Writes to a client at the pace at which it reads: one block is handed over at a time, and the next is made when that has gone out.
 * A client that takes nothing for `STALL_MS` while something waits for it is cut, so that what waits can be forgotten.
 */
import { once } from 'node:events';
import type { Writable } from 'node:stream';

/** As long as a request may take (filters/timeouts.ts). */
const STALL_MS = 60_000;

/** @returns false: the client is gone or was cut */
export async function writeBlocks(
  body: Writable,
  blocks: Iterable<Buffer> | AsyncIterable<Buffer>,
  stallMs = STALL_MS,
): Promise<boolean> {
  if (!(Symbol.iterator in blocks)) {
    for await (const block of blocks) if (!(await writeBlock(body, block, stallMs))) return false;
    return true;
  }
  for (const block of blocks) {
    if (body.destroyed) return false;
    // Most writes find an empty buffer: they cost no promise.
    if (!body.write(block) && !(await drained(body, stallMs))) return false;
  }
  return !body.destroyed;
}

async function writeBlock(body: Writable, block: Buffer, stallMs: number): Promise<boolean> {
  if (body.destroyed) return false;
  return body.write(block) || drained(body, stallMs);
}

async function drained(body: Writable, stallMs: number): Promise<boolean> {
  const given = new AbortController();
  const giveUp = (): void => given.abort();
  const stalled = setTimeout(() => body.destroy(), stallMs).unref();
  body.once('close', giveUp);
  await once(body, 'drain', { signal: given.signal }).catch(() => {});
  body.off('close', giveUp);
  clearTimeout(stalled);
  return !body.destroyed;
}
