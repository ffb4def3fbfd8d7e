/** Writes that wait for each other: so many at a time, first come, first served; each is tried again until the server has answered. */
import { isTransient } from '../../machinery/meta/status-error-from.ts';
import type { Clock } from '../../machinery/process/clock.ts';

export type Write = (signal: AbortSignal) => Promise<void>;

const RETRY_MS = 1000;

export class Writes {
  private readonly clock: Clock;
  private readonly signal: AbortSignal;
  private readonly atOnce: number;
  private readonly onRefused: (error: unknown) => void;
  private waiting: Write[] = [];
  /** Index of the next in `waiting`. */
  private next = 0;
  private active = 0;
  retries = 0;

  /** @param onRefused told of an answer that no other try would change */
  constructor(clock: Clock, signal: AbortSignal, atOnce: number, onRefused: (error: unknown) => void) {
    this.clock = clock;
    this.signal = signal;
    this.atOnce = atOnce;
    this.onRefused = onRefused;
  }

  /** Those that have not been answered. */
  get left(): number {
    return this.active + this.waiting.length - this.next;
  }

  add(write: Write): void {
    this.waiting.push(write);
    while (this.active < this.atOnce && this.next < this.waiting.length) void this.work();
  }

  private async work(): Promise<void> {
    this.active++;
    for (let write = this.take(); write !== undefined; write = this.take()) await this.carryOut(write);
    this.active--;
  }

  private take(): Write | undefined {
    const write = this.signal.aborted ? undefined : this.waiting[this.next];
    if (write === undefined) {
      this.waiting = [];
      this.next = 0;
    } else if (++this.next === 1000) {
      this.waiting.splice(0, 1000);
      this.next = 0;
    }
    return write;
  }

  private async carryOut(write: Write): Promise<void> {
    while (!this.signal.aborted) {
      try {
        return await write(this.signal);
      } catch (error) {
        if (this.signal.aborted) return;
        if (!isTransient(error)) return this.onRefused(error);
        this.retries++;
        await this.clock.sleep(RETRY_MS, this.signal).catch(() => undefined);
      }
    }
  }
}
