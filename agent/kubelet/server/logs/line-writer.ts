/**
 * Cuts a log's bytes into lines and sends those that are selected, within a limit. Bounded: a chunk at a time, and never ahead of a reader that
 * does not read.
 */
import type { FileHandle } from 'node:fs/promises';
import { LineSelector, type LogSelection } from '../plan/log-selection.ts';

const CHUNK = 64 * 1024;
/** A line that never ends is cut, so that it cannot fill memory. */
const MAX_LINE = 1024 * 1024;
const LINE_END = 10;

/** Where the bytes go. `write` resolves when the reader can take more. */
export interface LogSink {
  write(bytes: Buffer): Promise<void>;
}

export class LineWriter {
  private readonly selector: LineSelector;
  private readonly sink: LogSink;
  private rest: Buffer = Buffer.alloc(0);
  private left: number;
  private toSkip = 0;

  /** @param limitBytes of what is sent; undefined: none */
  constructor(selection: LogSelection, limitBytes: number | undefined, sink: LogSink) {
    this.selector = new LineSelector(selection);
    this.sink = sink;
    this.left = limitBytes ?? Infinity;
  }

  get isFull(): boolean {
    return this.left <= 0;
  }

  /** Leaves out so many raw lines of what comes now. */
  skip(lines: number): void {
    this.toSkip = lines;
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

  /** Sends all of it. */
  async readAll(source: AsyncIterable<Buffer>, signal: AbortSignal): Promise<void> {
    for await (const chunk of source) {
      if (this.isFull || signal.aborted) return;
      await this.take(chunk);
    }
  }

  /** No more comes of this file: its last line may lack its newline. */
  async endOfFile(): Promise<void> {
    const line = this.rest;
    this.rest = Buffer.alloc(0);
    if (line.length > 0 && !this.isFull) await this.send([...this.selector.select(line)]);
  }

  /** What was kept of an unfinished line is void: its file was cut. */
  forget(): void {
    this.rest = Buffer.alloc(0);
  }

  private async take(bytes: Buffer): Promise<void> {
    const all = this.rest.length === 0 ? bytes : Buffer.concat([this.rest, bytes]);
    const selected: Buffer[] = [];
    let from = 0;
    for (let end = all.indexOf(LINE_END, from); end >= 0; end = all.indexOf(LINE_END, from)) {
      if (this.toSkip > 0) this.toSkip--;
      else selected.push(...this.selector.select(all.subarray(from, end)));
      from = end + 1;
    }
    if (all.length - from > MAX_LINE) {
      selected.push(...this.selector.select(all.subarray(from)));
      from = all.length;
    }
    // A copy: the chunk is filled anew.
    this.rest = Buffer.from(all.subarray(from));
    await this.send(selected);
  }

  private async send(pieces: readonly Buffer[]): Promise<void> {
    let bytes = Buffer.concat(pieces);
    if (bytes.length > this.left) bytes = bytes.subarray(0, this.left);
    this.left -= bytes.length;
    if (bytes.length > 0) await this.sink.write(bytes);
  }
}
