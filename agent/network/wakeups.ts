/**
 * When a loop that keeps something as it should be looks again: at once when what is wanted changes, shortly after somebody disturbed what
 * stands, and else after its regular time.
 *
 * Somebody who undoes each repair (another manager of the network) is answered ever later, up to ten seconds: two programs must not keep a
 * machine busy with each other.
 */
import type { Clock } from '../../machinery/process/clock.ts';

/** One act of somebody is many changes, told one after the other. */
const SETTLE_MS = 20;
const FIRST_GAP_MS = 100;
const LAST_GAP_MS = 10_000;
/** Who undoes a repair does it soon: after so long beyond the last gap the next one is done at once again. */
const QUIET_MS = 200;

export class Wakeups {
  private readonly clock: Clock;
  private wanted = true;
  private disturbed = false;
  private gapMs = FIRST_GAP_MS;
  private repairedMs = -Infinity;
  private recheck: (() => void) | undefined;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** What is wanted changed. */
  wake(): void {
    this.wanted = true;
    this.recheck?.();
  }

  /** What stands may have been changed. */
  disturb(): void {
    if (this.disturbed) return;
    this.disturbed = true;
    this.recheck?.();
  }

  /** A look begins: what comes from now on is for the next. @returns whether this one is for a disturbance alone */
  begin(): boolean {
    const disturbed = this.disturbed && !this.wanted;
    this.wanted = false;
    this.disturbed = false;
    return disturbed;
  }

  /** How much a look after a disturbance found to repair. */
  repaired(changes: number): void {
    if (changes === 0) return;
    const nowMs = this.clock.monotonicMs();
    this.gapMs = this.isQuiet() ? FIRST_GAP_MS : Math.min(this.gapMs * 2, LAST_GAP_MS);
    this.repairedMs = nowMs;
  }

  /** Until the next look is due. */
  wait(delayMs: number): Promise<void> {
    return new Promise(resolve => {
      let cancel: (() => void) | undefined;
      const done = (): void => {
        cancel?.();
        this.recheck = undefined;
        resolve();
      };
      this.recheck = () => {
        if (this.wanted) return done();
        if (!this.disturbed) return;
        cancel?.();
        cancel = this.clock.after(this.isQuiet() ? SETTLE_MS : this.gapMs, done);
      };
      cancel = this.clock.after(delayMs, done);
      this.recheck();
    });
  }

  private isQuiet(): boolean {
    return this.clock.monotonicMs() - this.repairedMs > 2 * this.gapMs + QUIET_MS;
  }
}
