/**
 * Sends a container's log: from its tail, by time, within a byte limit, and on as it grows, across a rotation.
 *
 * Memory is bounded: a chunk at a time, and never ahead of a reader that does not read.
 */
import { watch } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { selectLine, type LogOptions } from './plan/log-options.ts';

const CHUNK = 64 * 1024;
/** A line that never ends is cut, so that it cannot fill memory. */
const MAX_LINE = 1024 * 1024;

/** Where the bytes go. `write` resolves when the reader can take more. */
export interface LogSink {
  write(bytes: Buffer): Promise<void>;
}

/** How the stream hears that the container may have ended. */
export interface LogFollow {
  isRunning(): boolean;
  /** Calls `onChange` after each change of the container; the returned function ends it. */
  watch(onChange: () => void): () => void;
}

export async function streamLog(
  path: string,
  options: LogOptions,
  sink: LogSink,
  follow: LogFollow,
  signal: AbortSignal,
): Promise<void> {
  let file = await open(path, 'r');
  const writer = new LineWriter(options, sink);
  const changes = options.follow ? watchFile(path, follow) : undefined;
  try {
    let at = options.tailLines === undefined ? 0 : await startOfTail(file, options.tailLines);
    for (;;) {
      const wasRunning = follow.isRunning();
      at = await writer.readFrom(file, at, signal);
      if (writer.isFull || signal.aborted || changes === undefined) break;
      const next = await replacedBy(path, file);
      if (next !== undefined) {
        // What was written to the old file before the switch comes first.
        await writer.readFrom(file, at, signal);
        await file.close();
        [file, at] = [next, 0];
        continue;
      }
      if (!wasRunning) break;
      await changes.next(signal);
    }
    await writer.end();
  } finally {
    changes?.close();
    await file.close();
  }
}

/** Cuts bytes into lines and sends those that are selected. */
class LineWriter {
  private readonly options: LogOptions;
  private readonly sink: LogSink;
  private rest: Buffer = Buffer.alloc(0);
  private left: number;

  constructor(options: LogOptions, sink: LogSink) {
    this.options = options;
    this.sink = sink;
    this.left = options.limitBytes ?? Infinity;
  }

  get isFull(): boolean {
    return this.left <= 0;
  }

  /** Sends what the file has from `at` on; gives where it ended. */
  async readFrom(file: FileHandle, at: number, signal: AbortSignal): Promise<number> {
    const chunk = Buffer.allocUnsafe(CHUNK);
    while (!this.isFull && !signal.aborted) {
      const { bytesRead } = await file.read(chunk, 0, CHUNK, at);
      if (bytesRead === 0) break;
      at += bytesRead;
      await this.take(chunk.subarray(0, bytesRead));
    }
    return at;
  }

  /** The last line may lack its newline. */
  async end(): Promise<void> {
    if (this.rest.length > 0 && !this.isFull) await this.send([selectLine(this.rest, this.options)]);
  }

  private async take(bytes: Buffer): Promise<void> {
    const all = this.rest.length === 0 ? bytes : Buffer.concat([this.rest, bytes]);
    const selected: (Buffer | undefined)[] = [];
    let from = 0;
    for (let end = all.indexOf(10, from); end >= 0; end = all.indexOf(10, from)) {
      selected.push(selectLine(all.subarray(from, end), this.options));
      from = end + 1;
    }
    this.rest = Buffer.from(all.subarray(from));
    if (this.rest.length > MAX_LINE) {
      selected.push(selectLine(this.rest, this.options));
      this.rest = Buffer.alloc(0);
    }
    await this.send(selected);
  }

  private async send(lines: readonly (Buffer | undefined)[]): Promise<void> {
    let bytes = Buffer.concat(lines.filter(line => line !== undefined));
    if (bytes.length > this.left) bytes = bytes.subarray(0, this.left);
    this.left -= bytes.length;
    if (bytes.length > 0) await this.sink.write(bytes);
  }
}

/** Where the last `lines` lines begin. */
async function startOfTail(file: FileHandle, lines: number): Promise<number> {
  let at = (await file.stat()).size;
  if (lines === 0) return at;
  let left = lines + 1;
  const chunk = Buffer.allocUnsafe(CHUNK);
  let isLast = true;
  while (at > 0) {
    const from = Math.max(0, at - CHUNK);
    const { bytesRead } = await file.read(chunk, 0, at - from, from);
    // A line still being written counts, though it has no newline yet.
    if (isLast && chunk[bytesRead - 1] !== 10) left--;
    isLast = false;
    for (let i = bytesRead - 1; i >= 0; i--) if (chunk[i] === 10 && --left === 0) return from + i + 1;
    at = from;
  }
  return 0;
}

/** The new file under this name, once the log was rotated. */
async function replacedBy(path: string, file: FileHandle): Promise<FileHandle | undefined> {
  const [named, opened] = await Promise.all([stat(path).catch(() => undefined), file.stat()]);
  return named === undefined || named.ino === opened.ino ? undefined : open(path, 'r').catch(() => undefined);
}

/** Wakes up whenever the file or its folder changes (inotify), or the container does. */
function watchFile(path: string, follow: LogFollow): { next(signal: AbortSignal): Promise<void>; close(): void } {
  let changed = false;
  let wake: (() => void) | undefined;
  const onChange = (): void => {
    changed = true;
    wake?.();
  };
  const name = basename(path);
  const watcher = watch(dirname(path), (_event, file) => {
    if (file === name) onChange();
  });
  watcher.on('error', onChange);
  const unwatch = follow.watch(onChange);
  return {
    async next(signal) {
      if (!changed && !signal.aborted) {
        await new Promise<void>(resolve => {
          const done = (): void => {
            signal.removeEventListener('abort', done);
            wake = undefined;
            resolve();
          };
          wake = done;
          signal.addEventListener('abort', done, { once: true });
        });
      }
      changed = false;
    },
    close() {
      watcher.close();
      unwatch();
    },
  };
}
