/**
 * The default store: one SQLite file, owned by one process.
 *
 * - Appended rows are the history; a row's id is its revision (schema.ts).
 * - Acknowledged writes survive kill -9 and power loss (group-commit.ts, log-file.ts).
 * - Reads and watches see only what is durable, so nobody ever learns of a revision that a crash could take back.
 * - The file stays bounded (history-keeper.ts, checkpoints here); an idle store runs no timer.
 *
 * The idea of a log table whose row id is the revision is kine's; the design is our own.
 */
import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import { ChangeFeed } from '../change-feed.ts';
import { ExpiryTimer } from '../expiry-timer.ts';
import {
  CompactedError,
  FutureRevisionError,
  StoreUnavailableError,
  type DeleteOptions,
  type DeleteResult,
  type KeyValue,
  type ListOptions,
  type ListResult,
  type ReadOptions,
  type Store,
  type StoreEvent,
  type WatchBatch,
  type WatchOptions,
  type WriteOptions,
} from '../store.ts';
import { Checkpointer } from './checkpointer.ts';
import { full, unavailable, type SqlDatabase } from './driver.ts';
import { GroupCommit, type Applied, type CommittedBatch } from './group-commit.ts';
import { HistoryKeeper, type HistoryLimits } from './history-keeper.ts';
import type { LogFile } from './log-file.ts';
import type { DuePosition, LogTable } from './log-table.ts';

/** A disk that was full is so until it has as much room again as the largest object may need. */
const ROOM_BYTES = 4 * 1024 * 1024;
const EXPIRE_STEP = 200;

interface SqliteStoreParts {
  readonly db: SqlDatabase;
  readonly file: LogFile;
  readonly table: LogTable;
  readonly path: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: HistoryLimits;
}

/** Made by `openSqliteStore()`. */
export class SqliteStore implements Store {
  private readonly parts: SqliteStoreParts;
  private readonly table: LogTable;
  private readonly commits: GroupCommit;
  private readonly checkpointer: Checkpointer;
  private readonly history: HistoryKeeper;
  private readonly feed: ChangeFeed;
  private readonly expiry: ExpiryTimer;
  /** The newest durable revision: what reads see. */
  private revision: number;
  /** Keys that were due up to here are dealt with; what is left of them in the table is not looked at again. */
  private expired: DuePosition = { due: 0, revision: 0 };
  private closing: Promise<void> | undefined;

  constructor(parts: SqliteStoreParts) {
    this.parts = parts;
    this.table = parts.table;
    const { revision, compacted } = this.table.newest();
    this.revision = revision;
    const { db, file, path, clock, logger, limits } = parts;
    this.commits = new GroupCommit({
      db,
      file,
      path,
      clock,
      revision,
      onDurable: batch => this.onDurable(batch),
      onFull: () => this.checkpointer.makeRoom(),
    });
    this.checkpointer = new Checkpointer({ file, commits: this.commits, clock, logger });
    this.history = new HistoryKeeper({
      db,
      table: this.table,
      commits: this.commits,
      clock,
      logger,
      limits,
      revision,
      compacted,
    });
    this.feed = new ChangeFeed({
      currentRevision: () => this.revision,
      readAfter: (prefix, after, limit) => this.readAfter(prefix, after, limit),
      withPrevious: event => this.withPrevious(event),
    });
    this.expiry = new ExpiryTimer(clock, {
      nextDueMs: () => this.read(() => this.table.nextDueMs(this.expired)),
      expire: nowMs => this.expire(nowMs),
    });
    this.expiry.start();
  }

  async create(key: string, value: Uint8Array, options: WriteOptions = {}): Promise<number> {
    const dueMs = this.dueMs(options);
    const { event } = await this.commits.submit(value.byteLength, revision =>
      put(this.table.create(revision, key, value, dueMs ?? null)),
    );
    if (dueMs !== undefined) this.noticeDue(dueMs);
    return event.revision;
  }

  async update(key: string, value: Uint8Array, expected: number, options: WriteOptions = {}): Promise<number> {
    const dueMs = this.dueMs(options);
    const { event } = await this.commits.submit(
      value.byteLength,
      revision => put(this.table.update(revision, key, value, expected, dueMs ?? null)),
      options.patienceMs,
    );
    if (dueMs !== undefined) this.noticeDue(dueMs);
    return event.revision;
  }

  async delete(key: string, options: DeleteOptions = {}): Promise<DeleteResult> {
    const { event, previous } = await this.commits.submit(0, revision => {
      const deleted = this.table.delete(revision, key, options.expectedRevision);
      return { event: { type: 'delete', key, revision }, previous: deleted };
    });
    return { revision: event.revision, previous: previous as KeyValue };
  }

  async get(key: string, options: ReadOptions = {}): Promise<KeyValue | undefined> {
    return this.read(() => this.table.get(key, this.readable(options.revision)));
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListResult> {
    return this.read(() => {
      const { limit = 0, startAfter } = options;
      const revision = this.readable(options.revision);
      const items = this.table.list(prefix, startAfter, revision, limit === 0 ? -1 : limit + 1);
      const more = limit > 0 && items.length > limit;
      if (more) items.pop();
      if (options.countRemaining !== true) return { items, revision, more };
      const remaining = more ? this.table.count(prefix, items.at(-1)?.key, revision) : 0;
      return { items, revision, more, remaining };
    });
  }

  watch(prefix: string, after: number, signal: AbortSignal, options?: WatchOptions): AsyncIterable<WatchBatch> {
    this.commits.checkUsable();
    return this.feed.watch(prefix, after, signal, options);
  }

  async compact(revision: number): Promise<void> {
    this.commits.checkUsable();
    if (revision > this.revision) throw new FutureRevisionError(revision, this.revision);
    await this.history.compact(revision);
  }

  async checkWritable(): Promise<void> {
    const { path } = this.parts;
    await this.commits.checkWritable(() => {
      // That this one page finds room says little of an object.
      const { bavail, bsize } = statfsSync(dirname(path));
      if (bavail * bsize < ROOM_BYTES) throw full(path);
      this.table.setCompacted(this.history.compacted);
    });
  }

  async currentRevision(): Promise<number> {
    this.commits.checkUsable();
    return this.revision;
  }

  close(): Promise<void> {
    this.closing ??= this.shutDown();
    return this.closing;
  }

  private async shutDown(): Promise<void> {
    this.history.stop();
    this.expiry.stop();
    this.feed.close();
    await this.commits.stop();
    try {
      await this.parts.file.close();
    } catch (error) {
      // A full disk, most likely. Nothing is lost: the log stays beside the file and is replayed at the next start.
      this.parts.logger.warn({ err: error }, 'store closed without folding its log into the file');
    }
  }

  private onDurable(batch: CommittedBatch): void {
    this.revision = batch.revision;
    this.feed.publish(batch.events, batch.revision);
    this.history.noticed(batch.revision);
    this.checkpointer.noticed();
  }

  private async expire(nowMs: number): Promise<void> {
    try {
      for (;;) {
        const due = this.table.due(nowMs, EXPIRE_STEP, this.expired);
        const last = due.at(-1);
        if (last === undefined) return;
        const outcomes = await Promise.allSettled(
          due.map(({ key, revision }) => this.delete(key, { expectedRevision: revision })),
        );
        // One that was changed meanwhile has another row now; if the store refuses, it is tried again.
        if (outcomes.some(o => o.status === 'rejected' && o.reason instanceof StoreUnavailableError)) return;
        this.expired = last;
      }
    } catch (error) {
      this.parts.logger.warn({ err: error }, 'due keys could not be deleted');
    }
  }

  private noticeDue(dueMs: number): void {
    // The clock was set back.
    if (dueMs <= this.expired.due) this.expired = { due: dueMs - 1, revision: 0 };
    this.expiry.noticed(dueMs);
  }

  private readAfter(prefix: string, after: number, limit: number): WatchBatch {
    return this.read(() => {
      if (after < this.history.compacted) throw new CompactedError(after, this.history.compacted);
      return this.table.after(prefix, after, this.revision, limit);
    });
  }

  private withPrevious(event: StoreEvent): StoreEvent {
    if (event.revision - 1 < this.history.compacted) return event;
    const previous = this.read(() => this.table.get(event.key, event.revision - 1));
    return previous === undefined ? event : { ...event, previous };
  }

  private dueMs(options: WriteOptions): number | undefined {
    return options.ttlSeconds === undefined ? undefined : this.parts.clock.now() + options.ttlSeconds * 1000;
  }

  private readable(revision: number | undefined): number {
    if (revision === undefined) return this.revision;
    if (revision < this.history.compacted) throw new CompactedError(revision, this.history.compacted);
    if (revision > this.revision) throw new FutureRevisionError(revision, this.revision);
    return revision;
  }

  private read<R>(query: () => R): R {
    this.commits.checkUsable();
    try {
      return query();
    } catch (error) {
      if (error instanceof CompactedError || error instanceof FutureRevisionError) throw error;
      throw unavailable(error, this.parts.path);
    }
  }
}

function put(kv: KeyValue): Applied {
  return { event: { type: 'put', key: kv.key, revision: kv.revision, kv } };
}
