/**
 * The one watch on the store, handed out to the watch caches by key prefix.
 *
 * - `revision` moves only after every cache has applied every event up to it, in one turn: caches and `revision` always agree.
 * - When the store's watch breaks it is followed again from where it stood; where that has been compacted away, every cache
 *   is told to start over.
 */
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import { CompactedError, StoreUnavailableError, type Store, type StoreEvent } from '../../store/store.ts';

const RETRY_MS = 1000;
/** How long the watch may be behind before whoever waits for it is told. */
const LAG_MS = 5000;
/** How often that is looked at while anybody waits. */
const LAG_CHECK_MS = 1000;

/** Who follows one prefix. */
export interface HubTarget {
  apply(event: StoreEvent): void;
  /** Events have been missed. */
  lost(): void;
}

interface Waiter {
  readonly revision: number;
  readonly sinceMs: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class WatchHub {
  private readonly store: Store;
  private readonly prefix: string;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly targets = new Map<string, HubTarget>();
  private readonly abort = new AbortController();
  private waiters: Waiter[] = [];
  private started: Promise<void> | undefined;
  private running: Promise<void> = Promise.resolve();
  private ended = false;
  private cancelLagCheck: (() => void) | undefined;
  /** Every event up to this has been applied. */
  revision = 0;

  /** @param prefix of all keys, with a slash at its end */
  constructor(store: Store, prefix: string, clock: Clock, logger: Logger) {
    this.store = store;
    this.prefix = prefix;
    this.clock = clock;
    this.logger = logger;
  }

  /** Follows the store from now on; at the first call, later ones wait for that. */
  start(): Promise<void> {
    this.started ??= this.begin().catch((error: unknown) => {
      this.started = undefined;
      throw error;
    });
    return this.started;
  }

  /** `target` gets every event under `prefix` (with a slash at its end) after the current revision. */
  attach(prefix: string, target: HubTarget): void {
    this.targets.set(prefix, target);
  }

  /** Resolves once everything up to `revision` has been applied. @throws the signal's reason, StoreUnavailableError (`unreachable` when it takes too long) */
  reached(revision: number, signal?: AbortSignal): Promise<void> {
    if (this.revision >= revision) return Promise.resolve();
    if (this.ended) return Promise.reject(closed());
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.waiters = this.waiters.filter(w => w !== waiter);
        reject(signal?.reason as Error);
      };
      if (signal?.aborted === true) return onAbort();
      const settle = (): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      };
      const fail = (error: Error): void => {
        signal?.removeEventListener('abort', onAbort);
        reject(error);
      };
      const waiter: Waiter = { revision, sinceMs: this.clock.monotonicMs(), resolve: settle, reject: fail };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.waiters.push(waiter);
      this.checkLag();
    });
  }

  /** Resolves once everything that was written before the call has been applied. */
  async fresh(signal?: AbortSignal): Promise<void> {
    await this.reached(await this.store.currentRevision(), signal);
  }

  async close(): Promise<void> {
    this.abort.abort();
    await this.running;
    this.end();
  }

  private async begin(): Promise<void> {
    this.revision = await this.store.currentRevision();
    this.running = this.follow();
  }

  private async follow(): Promise<void> {
    const { signal } = this.abort;
    while (!signal.aborted) {
      try {
        for await (const batch of this.store.watch(this.prefix, this.revision, signal)) {
          for (const event of batch.events) this.dispatch(event);
          this.advance(batch.revision);
        }
        // The store was closed.
        return this.end();
      } catch (error) {
        await this.recover(error).catch((again: unknown) => {
          if (!signal.aborted) this.logger.warn({ err: again }, 'the store cannot be watched; trying again');
        });
      }
    }
  }

  /** Follows again from where it stood; only where history does not reach back that far do caches start over. */
  private async recover(error: unknown): Promise<void> {
    const { signal } = this.abort;
    this.logger.error({ err: error }, 'the watch on the store broke');
    await this.clock.sleep(RETRY_MS, signal);
    if (!(error instanceof CompactedError)) return;
    const revision = await this.store.currentRevision();
    // In one turn: a cache that loads again attaches at the new revision.
    for (const target of this.targets.values()) target.lost();
    this.advance(revision);
  }

  /** The first prefix, from the root down, that somebody follows. */
  private dispatch(event: StoreEvent): void {
    for (let slash = event.key.indexOf('/', 1); slash > 0; slash = event.key.indexOf('/', slash + 1)) {
      const target = this.targets.get(event.key.slice(0, slash + 1));
      if (target !== undefined) return target.apply(event);
    }
  }

  /** Tells those who have waited too long, as long as anybody waits. */
  private checkLag(): void {
    this.cancelLagCheck ??= this.clock.after(LAG_CHECK_MS, () => {
      this.cancelLagCheck = undefined;
      const late = this.clock.monotonicMs() - LAG_MS;
      const given = this.waiters.filter(w => w.sinceMs <= late);
      this.waiters = this.waiters.filter(w => w.sinceMs > late);
      for (const { revision, reject } of given) {
        const message = `the watch on the store is at revision ${this.revision} and has not come to ${revision} within ${LAG_MS / 1000} s; try again`;
        reject(new StoreUnavailableError('unreachable', message));
      }
      if (this.waiters.length > 0) this.checkLag();
    });
  }

  /** Nothing will come any more: whoever waits is told. */
  private end(): void {
    this.ended = true;
    this.cancelLagCheck?.();
    for (const waiter of this.waiters.splice(0)) waiter.reject(closed());
  }

  private advance(revision: number): void {
    this.revision = Math.max(this.revision, revision);
    if (this.waiters.length === 0) return;
    const due = this.waiters.filter(w => w.revision <= this.revision);
    if (due.length === 0) return;
    this.waiters = this.waiters.filter(w => w.revision > this.revision);
    for (const waiter of due) waiter.resolve();
  }
}

function closed(): StoreUnavailableError {
  return new StoreUnavailableError('closed', 'the storage is closed');
}
