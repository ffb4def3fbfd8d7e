/** Which changes are in the kernel: whoever made one can wait until it is. */
import type { Clock } from '../../machinery/process/clock.ts';

export class WriteProgress {
  private readonly clock: Clock;
  private readonly waiting = new Set<() => void>();
  private wake: (() => void) | undefined;
  /** The number of the last change. Nothing is written at first, so that there is something to write. */
  private last = 1;
  private written = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Something is different now. */
  touch(): void {
    this.last++;
    this.wake?.();
  }

  /** The last change so far: what is looked at from now on has it. */
  get current(): number {
    return this.last;
  }

  get isBehind(): boolean {
    return this.written < this.last;
  }

  isWritten(change: number): boolean {
    return this.written >= change;
  }

  /** A write ended. @param change what `current` was before it began; undefined if it failed */
  ended(change: number | undefined): void {
    if (change !== undefined) this.written = change;
    for (const settle of this.waiting) settle();
  }

  /** Has `untilTouched()` end although nothing changed. */
  nudge(): void {
    this.wake?.();
  }

  /** Resolves at the end of the next write, or after that long. @throws the signal's reason */
  untilEnded(patienceMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        cancel();
        signal.removeEventListener('abort', onAbort);
        this.waiting.delete(settle);
        resolve();
      };
      const onAbort = (): void => {
        reject(signal.reason as Error);
        settle();
      };
      const cancel = this.clock.after(patienceMs, settle);
      signal.addEventListener('abort', onAbort, { once: true });
      this.waiting.add(settle);
    });
  }

  /** Resolves once something is to be written, or at that time. */
  untilTouched(untilMs: number): Promise<void> {
    if (this.isBehind) return Promise.resolve();
    return new Promise(resolve => {
      const done = (): void => {
        cancel();
        this.wake = undefined;
        resolve();
      };
      const cancel = this.clock.after(untilMs - this.clock.monotonicMs(), done);
      this.wake = done;
    });
  }
}
