/**
 * Reads SQLite's write-ahead log without SQLite, and says how far it can be read and what stands behind that.
 *
 * Each frame carries the log's salts and a checksum that goes on from the frame before. So a frame behind a damaged one
 * can still be told to be whole: its own checksum follows from the one that the frame before it has stored.
 * Source: sqlite.org/fileformat2.html, "The Write-Ahead Log".
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const MAGIC = 0x377f0682;

export interface LogScan {
  /** The salts in hex; undefined if the header cannot be read (or there is none). */
  readonly log: string | undefined;
  /** Whole frames from the start on. */
  readonly frames: number;
  /** How many of them belong to finished transactions. */
  readonly committed: number;
  /** Where reading ends, in bytes. */
  readonly endsAt: number;
  /** Whether something of this log, not only what is left of an older one, stands where reading ends. */
  readonly torn: boolean;
  /**
   * Whole frames of this log behind that belong to a later transaction than the one that reading ends in. As a transaction
   * begins only after the one before was flushed, they prove that something durable was damaged.
   */
  readonly later: number;
}

/** @param file need not exist */
export function scanLog(file: string): LogScan {
  const nothing: LogScan = { log: undefined, frames: 0, committed: 0, endsAt: 0, torn: false, later: 0 };
  let fd;
  try {
    fd = openSync(file, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return nothing;
    throw error;
  }
  try {
    const { size } = fstatSync(fd);
    const header = Buffer.alloc(HEADER_BYTES);
    if (readSync(fd, header, 0, HEADER_BYTES, 0) < HEADER_BYTES) return { ...nothing, torn: size > 0 };
    return scanFrames(fd, size, header);
  } finally {
    closeSync(fd);
  }
}

function scanFrames(fd: number, size: number, header: Buffer): LogScan {
  const magic = header.readUInt32BE(0);
  const bigEndian = (magic & 1) === 1;
  const page = header.readUInt32BE(8);
  let sum = checksum(header.subarray(0, 24), [0, 0], bigEndian);
  const readable = (magic & ~1) >>> 0 === MAGIC && stored(header, 24, sum) && page >= 512 && page <= 65_536;
  if (!readable) return { log: undefined, frames: 0, committed: 0, endsAt: 0, torn: size > HEADER_BYTES, later: 0 };

  const salts = header.subarray(16, 24);
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + page);
  let [frames, committed, later] = [0, 0, 0];
  let torn = false;
  let broken = false;
  // Whether a transaction has ended behind the place where reading ended.
  let ended = false;
  for (let at = HEADER_BYTES; readSync(fd, frame, 0, frame.length, at) === frame.length; at += frame.length) {
    const own = frame.subarray(8, 16).equals(salts);
    const expected = checksum(frame.subarray(24), checksum(frame.subarray(0, 8), sum, bigEndian), bigEndian);
    const whole = own && stored(frame, 16, expected);
    const commits = frame.readUInt32BE(4) !== 0;
    if (whole && !broken) {
      frames++;
      if (commits) committed = frames;
    } else if (whole) {
      if (ended) later++;
      ended ||= commits;
    } else {
      broken = true;
      torn ||= own;
    }
    sum = [frame.readUInt32BE(16), frame.readUInt32BE(20)];
  }
  const endsAt = HEADER_BYTES + frames * frame.length;
  return { log: salts.toString('hex'), frames, committed, endsAt, torn: torn || committed < frames, later };
}

type Sum = readonly [number, number];

/** SQLite's checksum over whole pairs of 32-bit words, going on from `from`. */
function checksum(bytes: Buffer, [s0, s1]: Sum, bigEndian: boolean): Sum {
  for (let i = 0; i < bytes.length; i += 8) {
    const first = bigEndian ? bytes.readUInt32BE(i) : bytes.readUInt32LE(i);
    const second = bigEndian ? bytes.readUInt32BE(i + 4) : bytes.readUInt32LE(i + 4);
    s0 = (s0 + first + s1) >>> 0;
    s1 = (s1 + second + s0) >>> 0;
  }
  return [s0, s1];
}

function stored(bytes: Buffer, at: number, [s0, s1]: Sum): boolean {
  return bytes.readUInt32BE(at) === s0 && bytes.readUInt32BE(at + 4) === s1;
}
