/**
 * Sends a container's log: from its tail, by time, within a byte limit, and on as it grows; over its rotated files, compressed ones too,
 * and over rotations while it is followed.
 *
 * Differs: upstream's kubelet reads the newest file alone.
 */
import { readdir, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { openFile } from '../../../host/files/open-inside.ts';
import type { LogSelection } from '../plan/log-selection.ts';
import { isCompressed, plainName, rotatedLogs } from '../plan/rotated-logs.ts';
import { LineWriter, type LogSink } from './line-writer.ts';
import { LogChanges, type LogFollow } from './log-changes.ts';
import { gunzipped, linesBeforeTail, startOfTail } from './log-tail.ts';

export interface LogRequest extends LogSelection {
  /** Lines from the end; undefined: all. */
  readonly tailLines: number | undefined;
  readonly limitBytes: number | undefined;
  readonly follow: boolean;
}

/** @throws Error when the log cannot be read; nothing was sent then */
export async function streamLog(
  path: string,
  request: LogRequest,
  sink: LogSink,
  follow: LogFollow,
  signal: AbortSignal,
): Promise<void> {
  const writer = new LineWriter(request, request.limitBytes, sink);
  const changes = request.follow ? new LogChanges(path, follow) : undefined;
  const log = new OpenLog(path, writer, signal);
  try {
    await log.open();
    await log.sendPast(request);
    for (;;) {
      const wasRunning = follow.isRunning();
      await log.sendNew();
      if (writer.isFull || signal.aborted || changes === undefined) break;
      if (await log.moveOn()) continue;
      if (!wasRunning) break;
      await changes.next(signal);
    }
    await writer.endOfFile();
  } finally {
    changes?.close();
    await log.close();
  }
}

/** The newest file of a log, held open, and what becomes of it. */
class OpenLog {
  private readonly path: string;
  private readonly folder: string;
  private readonly writer: LineWriter;
  private readonly signal: AbortSignal;
  private file: FileHandle | undefined;
  private at = 0;
  /** Rotated files that are older than the open one, by their plain names. */
  private older = new Set<string>();

  constructor(path: string, writer: LineWriter, signal: AbortSignal) {
    this.path = path;
    this.folder = dirname(path);
    this.writer = writer;
    this.signal = signal;
  }

  /** @throws Error when there is no such log */
  async open(): Promise<void> {
    try {
      this.file = await openFile(this.path);
    } catch (error) {
      // Between the two steps of a rotation there is none.
      if ((await this.rotated()).length === 0) throw error;
    }
  }

  async close(): Promise<void> {
    await this.file?.close();
  }

  /** Sends what older files have of what is asked for, and sets where the open one begins. */
  async sendPast({ tailLines, sinceMs }: LogRequest): Promise<void> {
    const names = await this.rotated();
    this.older = new Set(names.map(plainName));
    let missing = tailLines ?? Infinity;
    if (tailLines !== undefined && this.file !== undefined) {
      const start = await startOfTail(this.file, tailLines);
      this.at = start.offset;
      missing = start.missing;
    }
    // Newest first until there is enough, then oldest first.
    const parts: { name: string; skip: number }[] = [];
    for (const name of names.reverse()) {
      if (missing === 0 || this.signal.aborted) break;
      if (sinceMs !== undefined && (await this.endedBefore(name, sinceMs))) break;
      const start = tailLines === undefined ? undefined : await this.tailOf(name, missing);
      parts.unshift({ name, skip: start?.skip ?? 0 });
      missing = start?.missing ?? missing;
    }
    for (const { name, skip } of parts) await this.sendRotated(name, skip);
  }

  /** Sends what the open file has got since. */
  async sendNew(): Promise<void> {
    if (this.file === undefined) return;
    if ((await this.file.stat()).size < this.at) {
      this.at = 0;
      this.writer.forget();
    }
    this.at = await this.writer.readFrom(this.file, this.at, this.signal);
  }

  /** Goes on to the next file, once the log was rotated. @returns whether it was */
  async moveOn(): Promise<boolean> {
    const [named, opened] = await Promise.all([stat(this.path).catch(() => undefined), this.file?.stat()]);
    if (named === undefined || named.ino === opened?.ino) return false;
    const next = await openFile(this.path).catch(() => undefined);
    if (next === undefined) return false;
    const before = this.file;
    // What was written to the old file before the switch comes first.
    await this.sendNew();
    await this.writer.endOfFile();
    this.file = next;
    this.at = 0;
    const newer = (await this.rotated()).filter(name => !this.older.has(plainName(name)));
    // The first of them is the file that was read to its end here; a slow reader may have missed others.
    if (before !== undefined) this.older.add(plainName(newer.shift() ?? ''));
    await before?.close();
    for (const name of newer) {
      await this.sendRotated(name, 0);
      this.older.add(plainName(name));
    }
    return true;
  }

  /** Names of rotated files, oldest first, without the open one that may be rotated meanwhile. */
  private async rotated(): Promise<string[]> {
    const names = rotatedLogs(basename(this.path), await readdir(this.folder).catch(() => []));
    const newest = names.at(-1);
    if (newest === undefined || this.file === undefined) return names;
    const [opened, last] = await Promise.all([
      this.file.stat(),
      stat(join(this.folder, newest)).catch(() => undefined),
    ]);
    return last?.ino === opened.ino ? names.slice(0, -1) : names;
  }

  private async endedBefore(name: string, ms: number): Promise<boolean> {
    const found = await stat(join(this.folder, name)).catch(() => undefined);
    return found !== undefined && found.mtimeMs < ms;
  }

  private async tailOf(name: string, lines: number): Promise<{ skip: number; missing: number } | undefined> {
    const path = join(this.folder, name);
    if (isCompressed(name)) return linesBeforeTail(path, lines).catch(() => undefined);
    const file = await openFile(path).catch(() => undefined);
    if (file === undefined) return undefined;
    try {
      const { offset, missing } = await startOfTail(file, lines);
      return { skip: offset, missing };
    } finally {
      await file.close();
    }
  }

  /** @param skip bytes of a plain file, raw lines of a compressed one */
  private async sendRotated(name: string, skip: number): Promise<void> {
    if (this.writer.isFull || this.signal.aborted) return;
    const path = join(this.folder, name);
    const file = isCompressed(name) ? undefined : await openFile(path).catch(() => undefined);
    try {
      if (file !== undefined) await this.writer.readFrom(file, skip, this.signal);
      else {
        this.writer.skip(isCompressed(name) ? skip : 0);
        // Compressed by now, if it was not before.
        await this.writer.readAll(gunzipped(join(this.folder, `${plainName(name)}.gz`)), this.signal);
      }
    } catch (error) {
      // Removed since: the oldest goes when the log is rotated.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    } finally {
      this.writer.skip(0);
      await file?.close();
    }
    await this.writer.endOfFile();
  }
}
