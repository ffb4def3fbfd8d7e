/** A clock that moves only when told to, and whose wall time jumps as that of a machine whose administrator sets it. */
import { FakeClock, type Clock } from '../../../machinery/process/clock.ts';

export class JumpingClock implements Clock {
  private readonly steady = new FakeClock();
  private skewMs = 0;

  now(): number {
    return this.steady.now() + this.skewMs;
  }

  monotonicMs(): number {
    return this.steady.monotonicMs();
  }

  after(delayMs: number, fn: () => void): () => void {
    return this.steady.after(delayMs, fn);
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return this.steady.sleep(delayMs, signal);
  }

  /** Time passes: timers fire in order. */
  advance(ms: number): Promise<void> {
    return this.steady.advance(ms);
  }

  /** The wall clock is set, forward or back; no time passes. */
  jump(ms: number): void {
    this.skewMs += ms;
  }
}
