/**
 * Writes to a client at the pace at which it reads: one block is handed over at a time, and the next is made when that has gone out.
 * A client that takes nothing for `STALL_MS` while something waits for it is cut, so that what waits can be forgotten.
 */
import type { Writable } from 'node:stream';

/** As long as a request may take (filters/timeouts.ts). */
const STALL_MS = 60_000;
/** What a client that reads slowly may have us hold: large enough to be cheap, small enough for thousands of them. */
export const BLOCK_BYTES = 128 * 1024;

/** @returns false: the client is gone or was cut */
export async function writeBlocks(
  body: Writable,
  blocks: Iterable<Buffer> | AsyncIterable<Buffer>,
  stallMs = STALL_MS,
): Promise<boolean> {
  if (Symbol.iterator in blocks) {
    for (const block of blocks) {
      if (body.destroyed) return false;
      // Most writes find an empty buffer: they cost no promise.
      if (!body.write(block) && !(await drained(body, stallMs))) return false;
    }
  } else {
    for await (const block of blocks)
      if (body.destroyed || (!body.write(block) && !(await drained(body, stallMs)))) return false;
  }
  return !body.destroyed;
}

/**
 * Writes many small pieces through one block that is filled again and again: a list of any length costs that block, and the collector
 * nothing.
 * @param byteLength of all pieces together
 * @returns false: the client is gone or was cut
 */
export async function writePieces(
  body: Writable,
  pieces: Iterable<Buffer>,
  byteLength: number,
  stallMs = STALL_MS,
): Promise<boolean> {
  const block = Buffer.allocUnsafeSlow(Math.min(BLOCK_BYTES, byteLength));
  let filled = 0;
  for (const piece of pieces) {
    for (let at = 0; at < piece.length;) {
      const count = piece.copy(block, filled, at);
      at += count;
      filled += count;
      if (filled < block.length) continue;
      if (!(await gone(body, block, stallMs))) return false;
      filled = 0;
    }
  }
  return filled === 0 ? !body.destroyed : gone(body, block.subarray(0, filled), stallMs);
}

/** The pieces in blocks of their own, for who keeps them for a while. */
export function* joined(pieces: Iterable<Buffer>): Generator<Buffer> {
  let parts: Buffer[] = [];
  let bytes = 0;
  for (const piece of pieces) {
    parts.push(piece);
    bytes += piece.length;
    if (bytes < BLOCK_BYTES) continue;
    yield Buffer.concat(parts);
    parts = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(parts);
}

/** Waits until a body takes more. @returns false: the client is gone or was cut */
export function drained(body: Writable, stallMs = STALL_MS): Promise<boolean> {
  return settled(body, stallMs, settle => {
    body.once('drain', settle);
    return () => body.off('drain', settle);
  });
}

/** Resolves when nothing below reads `block` any more. */
function gone(body: Writable, block: Buffer, stallMs: number): Promise<boolean> {
  if (body.destroyed) return Promise.resolve(false);
  return settled(body, stallMs, settle => {
    body.write(block, settle);
    return () => {};
  });
}

/** Waits for `settle()`, for the end of the client, or for no longer than `stallMs`. Made for each block that has to wait: plain listeners. */
function settled(body: Writable, stallMs: number, begin: (settle: () => void) => () => void): Promise<boolean> {
  return new Promise(resolve => {
    const stalled = setTimeout(() => body.destroy(), stallMs).unref();
    const settle = (): void => {
      clearTimeout(stalled);
      body.off('close', settle);
      forget();
      resolve(!body.destroyed);
    };
    body.once('close', settle);
    const forget = begin(settle);
  });
}
