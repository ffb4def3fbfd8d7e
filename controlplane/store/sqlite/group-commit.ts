/**
 * Writes that arrive together share one transaction and one flush.
 *
 * - Nobody hears of a write, or of a refusal that another write of its batch caused, before that batch is durable.
 * - Batches follow each other: while one is being flushed the next gathers, so load makes batches larger, not waits longer.
 * - A patient write waits so long for others to come along with; it goes with the first batch that anybody else causes.
 * - Maintenance steps (compaction, checkpoint) run between batches, one at a time.
 * - A failed flush leaves unknown what the disk holds: from then on everything is refused until the store is opened anew.
 */
import type { Clock } from '../../../machinery/process/clock.ts';
import { KeyExistsError, KeyNotFoundError, RevisionConflictError, StoreUnavailableError } from '../store.ts';
import type { KeyValue, StoreEvent } from '../store.ts';
import { unavailable, type SqlDatabase } from './driver.ts';
import type { LogFile } from './log-file.ts';

/** Bounds of one transaction, so that it blocks the event loop for a few milliseconds at most. */
const MAX_BATCH_WRITES = 256;
const MAX_BATCH_BYTES = 4 * 1024 * 1024;

/** What a write did: its event, and for a deletion what was there. */
export interface Applied {
  readonly event: StoreEvent;
  readonly previous?: KeyValue;
}

interface PendingWrite {
  readonly bytes: number;
  readonly apply: (revision: number) => Applied;
  readonly resolve: (applied: Applied) => void;
  readonly reject: (error: Error) => void;
}

/** A durable batch. */
export interface CommittedBatch {
  /** The newest revision now. */
  readonly revision: number;
  readonly events: readonly StoreEvent[];
  /** Value bytes written. */
  readonly bytes: number;
}

interface GroupCommitOptions {
  readonly db: SqlDatabase;
  readonly file: LogFile;
  readonly path: string;
  readonly clock: Clock;
  /** The newest revision in the file. */
  readonly revision: number;
  /** Called once a batch is durable, before its writers hear of it. */
  readonly onDurable: (batch: CommittedBatch) => void;
  /** Called when a batch was refused for lack of space. */
  readonly onFull?: () => void;
}

export class GroupCommit {
  private readonly options: GroupCommitOptions;
  private writes: PendingWrite[] = [];
  private readonly steps: (() => Promise<void>)[] = [];
  private revision: number;
  private draining = false;
  /** A batch is due: somebody is impatient, or has been patient for long enough. */
  private isDue = false;
  private cancelPatience: (() => void) | undefined;
  private idle: (() => void)[] = [];
  private failure: StoreUnavailableError | undefined;
  /** Why the last transaction was refused, if it was. */
  private refusal: StoreUnavailableError | undefined;

  constructor(options: GroupCommitOptions) {
    this.options = options;
    this.revision = options.revision;
  }

  /** Throws why the store refuses everything, if it does. */
  checkUsable(): void {
    if (this.failure !== undefined) throw this.failure;
  }

  /**
   * @param apply makes the change inside the transaction under the given revision, or throws one of the store's errors
   * @param bytes how much it writes
   * @param patienceMs how long it may wait for company
   */
  submit(bytes: number, apply: (revision: number) => Applied, patienceMs = 0): Promise<Applied> {
    this.checkUsable();
    return new Promise((resolve, reject) => {
      this.writes.push({ bytes, apply, resolve, reject });
      if (patienceMs <= 0) return this.commitSoon();
      this.cancelPatience ??= this.options.clock.after(patienceMs, () => this.commitSoon());
    });
  }

  /** Runs `step` between two batches. */
  async between(step: () => void | Promise<void>): Promise<void> {
    this.checkUsable();
    await new Promise<void>((resolve, reject) => {
      this.steps.push(async () => {
        try {
          resolve(await step());
        } catch (error) {
          reject(unavailable(error, this.options.path));
        }
      });
      this.wake();
    });
  }

  /** Refuses new work and resolves once what was accepted is done. */
  async stop(): Promise<void> {
    this.failure ??= new StoreUnavailableError('closed', 'the store is closed');
    if (this.writes.length > 0) this.commitSoon();
    if (this.draining) await new Promise<void>(resolve => this.idle.push(resolve));
  }

  /**
   * Runs `work` in a transaction of its own, between two batches, and makes it durable.
   * @param committed called once it is done, in the same turn of the event loop: nobody reads in between
   */
  async maintain(work: () => void, committed: () => void = () => {}): Promise<void> {
    await this.between(async () => {
      this.transaction(work);
      committed();
      await this.flush(this.revision);
    });
  }

  /**
   * Whether writes are taken. After a refusal that is tried, since nobody else may be writing.
   * @param probe a write that changes nothing
   * @throws StoreUnavailableError why not
   */
  async checkWritable(probe: () => void): Promise<void> {
    this.checkUsable();
    if (this.refusal !== undefined) await this.maintain(probe);
  }

  private transaction(work: () => void): void {
    const { db } = this.options;
    try {
      db.exec('BEGIN IMMEDIATE');
      work();
      db.exec('COMMIT');
      this.refusal = undefined;
    } catch (error) {
      this.rollBack();
      this.refusal = unavailable(error, this.options.path);
      if (this.refusal.reason === 'full') this.options.onFull?.();
      throw this.refusal;
    }
  }

  private async flush(revision: number): Promise<void> {
    try {
      await this.options.file.flush(revision);
    } catch (error) {
      this.fail(error);
      throw error;
    }
  }

  /** The disk failed in a way that leaves its contents unknown. */
  fail(error: unknown): void {
    const { path } = this.options;
    this.failure = new StoreUnavailableError(
      'io',
      `Store ${path} could not be flushed to disk; check it and restart`,
      error,
    );
  }

  private commitSoon(): void {
    this.isDue = true;
    this.wake();
  }

  private wake(): void {
    if (this.draining) return;
    this.draining = true;
    void this.drain();
  }

  private async drain(): Promise<void> {
    while (this.isDue || this.steps.length > 0) {
      // Whoever else has something to write in this turn of the event loop comes along.
      await new Promise(setImmediate);
      const batch = this.takeBatch();
      if (batch.length > 0) await this.commit(batch);
      await this.steps.shift()?.();
    }
    this.draining = false;
    for (const resolve of this.idle.splice(0)) resolve();
  }

  private takeBatch(): PendingWrite[] {
    this.cancelPatience?.();
    this.cancelPatience = undefined;
    let bytes = 0;
    let count = 0;
    for (const write of this.writes) {
      bytes += write.bytes;
      if (count > 0 && (count >= MAX_BATCH_WRITES || bytes > MAX_BATCH_BYTES)) break;
      count++;
    }
    const batch = this.writes.splice(0, count);
    this.isDue = this.writes.length > 0;
    return batch;
  }

  private async commit(batch: readonly PendingWrite[]): Promise<void> {
    const outcomes: (Applied | Error)[] = [];
    const events: StoreEvent[] = [];
    let bytes = 0;
    try {
      this.transaction(() => {
        for (const write of batch) {
          const outcome = attempt(write, this.revision + events.length + 1);
          outcomes.push(outcome);
          if (outcome instanceof Error) continue;
          events.push(outcome.event);
          bytes += write.bytes;
        }
      });
    } catch (error) {
      for (const write of batch) write.reject(error as StoreUnavailableError);
      return;
    }
    if (events.length > 0) {
      try {
        await this.flush(this.revision + events.length);
      } catch (error) {
        const { path } = this.options;
        const unknown = new StoreUnavailableError('unknownOutcome', `Store ${path}: the write may be lost`, error);
        for (const write of [...batch, ...this.writes.splice(0)]) write.reject(unknown);
        return;
      }
      this.revision += events.length;
      this.options.onDurable({ revision: this.revision, events, bytes });
    }
    batch.forEach((write, i) => {
      const outcome = outcomes[i] as Applied | Error;
      if (outcome instanceof Error) write.reject(outcome);
      else write.resolve(outcome);
    });
  }

  private rollBack(): void {
    try {
      this.options.db.exec('ROLLBACK');
    } catch {
      // SQLite has rolled back by itself, as it does for a full disk and I/O errors.
    }
  }
}

/** The write's outcome; errors that concern this write alone are an outcome, others end the transaction. */
function attempt(write: PendingWrite, revision: number): Applied | Error {
  try {
    return write.apply(revision);
  } catch (error) {
    if (error instanceof KeyExistsError || error instanceof KeyNotFoundError) return error;
    if (error instanceof RevisionConflictError) return error;
    throw error;
  }
}
