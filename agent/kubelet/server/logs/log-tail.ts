/**
 * Finds where the last lines of a log begin, over its rotated files. A line that was written in parts counts as one. Bounded: a chunk at a time.
 */
import { createReadStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { isPart } from '../plan/log-selection.ts';

const CHUNK = 64 * 1024;
const LINE_END = 10;
/** Time, stream and tag of a line fit into so many bytes. */
const HEAD_BYTES = 64;

export interface TailStart {
  /** Where the lines begin; 0 when the file has no more than those. */
  readonly offset: number;
  /** How many are still to be found in older files. */
  readonly missing: number;
}

/** Where the last `lines` lines of a file begin. */
export async function startOfTail(file: FileHandle, lines: number): Promise<TailStart> {
  const { size } = await file.stat();
  if (lines === 0) return { offset: size, missing: 0 };
  let at = size;
  let found = 0;
  /** Where the oldest raw line that belongs to the tail begins. */
  let start = size;
  let behind: Buffer = Buffer.alloc(0);
  const chunk = Buffer.allocUnsafe(CHUNK);
  const takesMore = (lineAt: number, head: Buffer): boolean => {
    // At the very end there is nothing yet: no line.
    if (head.length > 0) {
      // What is unfinished at the end is a line too: it will be one.
      if (!isPart(head) || start === size) {
        if (found === lines) return false;
        found++;
      }
      start = lineAt;
    }
    return true;
  };
  while (at > 0) {
    const from = Math.max(0, at - CHUNK);
    const { bytesRead } = await file.read(chunk, 0, at - from, from);
    const bytes = Buffer.concat([chunk.subarray(0, bytesRead), behind]);
    for (let i = bytesRead - 1; i >= 0; i--) {
      if (bytes[i] !== LINE_END) continue;
      if (!takesMore(from + i + 1, bytes.subarray(i + 1, i + 1 + HEAD_BYTES))) return { offset: start, missing: 0 };
    }
    behind = Buffer.from(bytes.subarray(0, HEAD_BYTES));
    at = from;
  }
  if (!takesMore(0, behind)) return { offset: start, missing: 0 };
  return { offset: 0, missing: lines - found };
}

/** Reads a compressed file. */
export function gunzipped(path: string): AsyncIterable<Buffer> {
  const source = createReadStream(path);
  const plain = createGunzip();
  source.once('error', error => plain.destroy(error));
  plain.once('close', () => source.destroy());
  return source.pipe(plain);
}

/** How many raw lines of a compressed file come before its last `lines` lines, and how many lines are missing still. */
export async function linesBeforeTail(path: string, lines: number): Promise<{ skip: number; missing: number }> {
  /** Raw lines at which a line began, the last `lines` of them: a ring. */
  const starts: number[] = [];
  let count = 0;
  let raw = 0;
  let isContinued = false;
  let head: Buffer = Buffer.alloc(0);
  for await (const chunk of gunzipped(path)) {
    let from = 0;
    for (let end = chunk.indexOf(LINE_END); end >= 0; end = chunk.indexOf(LINE_END, from)) {
      const line = head.length >= HEAD_BYTES ? head : Buffer.concat([head, chunk.subarray(from, end)]);
      if (!isContinued) starts[count++ % lines] = raw;
      isContinued = isPart(line);
      raw++;
      head = Buffer.alloc(0);
      from = end + 1;
    }
    if (head.length < HEAD_BYTES) head = Buffer.concat([head, chunk.subarray(from, from + HEAD_BYTES)]);
  }
  if (count < lines) return { skip: 0, missing: lines - count };
  return { skip: starts[count % lines] ?? 0, missing: 0 };
}
