/**
 * A small file beside the database that says how far writes were acknowledged, so that their loss cannot pass in silence.
 *
 * SQLite stops at the first frame of its log that it cannot read and takes that for the end: right for a write that was
 * under way when the power went, wrong for a damaged disk or a file that somebody cut, replaced or removed. Which of the
 * two it was, this mark tells.
 *
 * - Written after the flush and before the acknowledgement: it never promises what is not durable.
 * - Not flushed by itself: it survives the death of the process, and lags some seconds behind after a power cut. Then it
 *   promises less than was acknowledged, never more.
 * - One line of fixed length, rewritten in place: that needs no space on a full disk.
 */
import { closeSync, existsSync, fdatasync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';

const fdatasyncAsync = promisify(fdatasync);

export interface Acknowledged {
  /** The newest acknowledged revision. */
  readonly revision: number;
  /** Everything up to this revision is in the database itself. */
  readonly folded: number;
  /** Which log (its salts, in hex) holds what is not in the database; '' while there is none. */
  readonly log: string;
  /** How many frames of that log are needed; 0 if the database has everything. */
  readonly frames: number;
}

export const markOf = (path: string): string => `${path}-acknowledged`;
/** The mark renamed to this says: go on without what was lost. */
export const acceptLossOf = (path: string): string => `${path}-accept-loss`;

/** @returns undefined if there is none; 'unreadable' if it is damaged itself */
export function readMark(file: string): Acknowledged | undefined | 'unreadable' {
  if (!existsSync(file)) return undefined;
  const text = readFileSync(file, 'latin1');
  const found =
    /^(revision=(\d{16}) folded=(\d{16}) log=(-{16}|[0-9a-f]{16}) frames=(\d{10})) sum=([0-9a-f]{8})\n/.exec(text);
  if (found === null || sumOf(found[1] as string) !== found[6]) return 'unreadable';
  const [, , revision, folded, log = '', frames] = found;
  return { revision: Number(revision), folded: Number(folded), log: log.replaceAll('-', ''), frames: Number(frames) };
}

export class AcknowledgedMark {
  private readonly fd: number;
  private written: Acknowledged = { revision: 0, folded: 0, log: '', frames: 0 };

  /** The file is made if it is missing. */
  constructor(path: string) {
    const file = markOf(path);
    this.fd = openSync(file, existsSync(file) ? 'r+' : 'wx', 0o600);
  }

  /** What is not given stays as it was. */
  write(change: Partial<Acknowledged>): void {
    const { revision, folded, log, frames } = (this.written = { ...this.written, ...change });
    const digits = (n: number, width: number): string => String(n).padStart(width, '0');
    const line = `revision=${digits(revision, 16)} folded=${digits(folded, 16)} log=${log.padEnd(16, '-')} frames=${digits(frames, 10)}`;
    writeSync(this.fd, `${line} sum=${sumOf(line)}\n`, 0);
  }

  flush(): Promise<void> {
    return fdatasyncAsync(this.fd);
  }

  close(): void {
    fdatasyncSync(this.fd);
    closeSync(this.fd);
  }
}

function sumOf(line: string): string {
  return crc32(line).toString(16).padStart(8, '0');
}
