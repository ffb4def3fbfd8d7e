/**
 * A queue of keys for reconcilers.
 *
 * - A key waits at most once, however often it is added.
 * - A key that was taken is not handed out again until `done(key)`; added meanwhile, it comes again after that.
 * - Delayed keys share one timer, armed for the next that is due; of several delays of a key the earliest counts.
 * - Failures of a key double its delay, from `baseDelayMs` up to `maxDelayMs`.
 *
 * Source: the contract of client-go `util/workqueue`; delays follow the monotonic clock, so clock jumps do not matter.
 */
import type { Clock } from '../process/clock.ts';
import { DelayHeap } from './delay-heap.ts';

/** Told of what becomes of keys; for metrics. */
export interface QueueObserver {
  added(): void;
  retried(): void;
  /** A key is handed out. @param waitedMs since it was added */
  taken(waitedMs: number): void;
  /** The run of a key that was taken since somebody observes has ended. */
  ended(tookMs: number): void;
}

export interface WorkQueueOptions {
  clock: Clock;
  /** Delay after the first failure, default 5. */
  baseDelayMs?: number | undefined;
  /** Longest delay after failures, default 60,000. */
  maxDelayMs?: number | undefined;
}

export class WorkQueue<K = string> {
  private readonly clock: Clock;
  private readonly baseDelayMs: number;
  private readonly maxDelayMs: number;

  /** Keys ready to be taken, in order, from index `head`. */
  private ready: K[] = [];
  private head = 0;
  /** Keys that want to run: those in `ready`, and those in flight that must run again. */
  private readonly dirty = new Set<K>();
  /** With the time of their being taken; that is kept for the observer alone, else 0. */
  private readonly inFlight = new Map<K, number>();
  private readonly delayed = new DelayHeap<K>();
  private readonly failures = new Map<K, number>();
  /** When keys were added that wait; kept for the observer alone. */
  private readonly addedAtMs = new Map<K, number>();
  /** Set by whoever counts. */
  observer: QueueObserver | undefined;
  private waiters: ((key: K | undefined) => void)[] = [];
  private timer: { dueMs: number; cancel: () => void } | undefined;
  private closed = false;

  constructor(options: WorkQueueOptions) {
    this.clock = options.clock;
    this.baseDelayMs = options.baseDelayMs ?? 5;
    this.maxDelayMs = options.maxDelayMs ?? 60_000;
  }

  /** Keys that could be taken now. */
  get depth(): number {
    return this.ready.length - this.head;
  }

  /** Keys taken and not yet done. */
  get running(): number {
    return this.inFlight.size;
  }

  /** How long each run that goes on has taken so far, in milliseconds; of those that began since somebody observes. */
  runningMs(): number[] {
    const nowMs = this.clock.monotonicMs();
    return [...this.inFlight.values()].filter(takenMs => takenMs > 0).map(takenMs => nowMs - takenMs);
  }

  /** Keys whose delay has not passed. */
  get waiting(): number {
    return this.delayed.size;
  }

  /** Asks for a run of `key` as soon as a worker is free. */
  add(key: K): void {
    if (this.closed || this.dirty.has(key)) return;
    this.dirty.add(key);
    if (this.observer !== undefined) {
      this.observer.added();
      this.addedAtMs.set(key, this.clock.monotonicMs());
    }
    if (!this.inFlight.has(key)) this.offer(key);
  }

  /** Asks for a run of `key` after `delayMs`; an earlier delayed add of the same key stands. */
  addAfter(key: K, delayMs: number): void {
    if (this.closed) return;
    if (!(delayMs > 0)) return this.add(key);
    this.delayed.push(key, this.clock.monotonicMs() + delayMs);
    this.arm();
  }

  /** Asks for another run after a failure; each failure in a row doubles the delay. */
  addRateLimited(key: K): void {
    const failures = this.failures.get(key) ?? 0;
    this.failures.set(key, failures + 1);
    this.observer?.retried();
    this.addAfter(key, Math.min(this.maxDelayMs, this.baseDelayMs * 2 ** Math.min(failures, 40)));
  }

  /** Failures of `key` since the last `forget`. */
  failuresOf(key: K): number {
    return this.failures.get(key) ?? 0;
  }

  /** Ends the back-off of `key`. */
  forget(key: K): void {
    this.failures.delete(key);
  }

  /**
   * The next key, now or when there is one. Whoever takes a key calls `done` with it.
   * @returns undefined once the queue is closed
   */
  take(): Promise<K | undefined> {
    if (this.closed) return Promise.resolve(undefined);
    const key = this.shift();
    if (key !== undefined) return Promise.resolve(this.begin(key));
    return new Promise(resolve => this.waiters.push(resolve));
  }

  /** Ends the run that `take` began. */
  done(key: K): void {
    const takenMs = this.inFlight.get(key) ?? 0;
    if (takenMs > 0) this.observer?.ended(this.clock.monotonicMs() - takenMs);
    this.inFlight.delete(key);
    if (this.dirty.has(key) && !this.closed) this.offer(key);
  }

  /** Drops everything; waiting and later `take`s give undefined. */
  close(): void {
    this.closed = true;
    this.timer?.cancel();
    this.timer = undefined;
    this.ready = [];
    this.head = 0;
    this.dirty.clear();
    this.addedAtMs.clear();
    this.delayed.clear();
    this.failures.clear();
    const waiters = this.waiters;
    this.waiters = [];
    for (const resolve of waiters) resolve(undefined);
  }

  private offer(key: K): void {
    const waiter = this.waiters.shift();
    if (waiter !== undefined) waiter(this.begin(key));
    else this.ready.push(key);
  }

  private begin(key: K): K {
    this.dirty.delete(key);
    this.inFlight.set(key, this.observer === undefined ? 0 : this.clock.monotonicMs());
    const addedAtMs = this.addedAtMs.get(key);
    if (addedAtMs !== undefined) {
      this.addedAtMs.delete(key);
      this.observer?.taken(this.clock.monotonicMs() - addedAtMs);
    }
    return key;
  }

  private shift(): K | undefined {
    if (this.head === this.ready.length) return undefined;
    const key = this.ready[this.head++];
    if (this.head > 1024 && this.head * 2 > this.ready.length) {
      this.ready = this.ready.slice(this.head);
      this.head = 0;
    }
    return key;
  }

  private arm(): void {
    const dueMs = this.delayed.nextDueMs();
    if (dueMs === undefined || (this.timer !== undefined && this.timer.dueMs <= dueMs)) return;
    this.timer?.cancel();
    const cancel = this.clock.after(dueMs - this.clock.monotonicMs(), () => this.fire());
    this.timer = { dueMs, cancel };
  }

  private fire(): void {
    this.timer = undefined;
    // Timers may fire a fraction early; what is due within a millisecond is due.
    for (const key of this.delayed.popDue(this.clock.monotonicMs() + 1)) this.add(key);
    this.arm();
  }
}
