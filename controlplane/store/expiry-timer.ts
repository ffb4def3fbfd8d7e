/**
 * One timer for all keys with a time to live: armed for the next due key only, so a store without any does nothing.
 * Keys that come due within `COALESCE_MS` of each other expire together.
 */
import type { Clock } from '../../machinery/process/clock.ts';

const COALESCE_MS = 1000;

/** What the timer drives. */
interface ExpiringKeys {
  /** When the earliest live key is due (milliseconds since the epoch); undefined if none. */
  nextDueMs(): number | undefined;
  /** Deletes what was due at `nowMs`. Never rejects. */
  expire(nowMs: number): Promise<void>;
}

export class ExpiryTimer {
  private readonly clock: Clock;
  private readonly keys: ExpiringKeys;
  private armedForMs = Infinity;
  private cancel: () => void = () => {};
  private stopped = false;

  constructor(clock: Clock, keys: ExpiringKeys) {
    this.clock = clock;
    this.keys = keys;
  }

  /** Looks for what is or comes due; call once after opening. */
  start(): void {
    this.arm(this.keys.nextDueMs());
  }

  /** A key was written that is due at `dueMs`. */
  noticed(dueMs: number): void {
    if (dueMs < this.armedForMs) this.arm(dueMs);
  }

  stop(): void {
    this.stopped = true;
    this.cancel();
  }

  private arm(dueMs: number | undefined): void {
    this.cancel();
    this.armedForMs = dueMs ?? Infinity;
    if (dueMs === undefined || this.stopped) return;
    // What is overdue could not be deleted (a full disk): it is tried again, though not at once.
    const waitMs = Math.max(0, dueMs - this.clock.now()) + COALESCE_MS;
    this.cancel = this.clock.after(waitMs, () => void this.fire());
  }

  private async fire(): Promise<void> {
    const nowMs = this.clock.now();
    // The clock may have been cut short or set back: then nothing is due and the timer is armed again.
    if (nowMs >= this.armedForMs) await this.keys.expire(nowMs);
    if (!this.stopped) this.arm(this.keys.nextDueMs());
  }
}
