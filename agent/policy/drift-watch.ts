/** When to look whether others removed our rules: soon after anybody changed any, where something tells of that, and now and then. */
import type { Clock } from '../../machinery/process/clock.ts';
import type { RuleChanges } from '../node-iptables/index.ts';

const POLL_MS = 10_000;
/** Where something tells of changes this is for what it missed. */
const WATCHED_POLL_MS = 300_000;
const QUIET_MS = 1_000;
const PAUSE_MS = 5_000;

export class DriftWatch {
  private readonly clock: Clock;
  private readonly changes: RuleChanges | undefined;
  private lookedAtMs = -Infinity;
  private nextMs = Infinity;

  constructor(clock: Clock, changes: RuleChanges | undefined) {
    this.clock = clock;
    this.changes = changes;
  }

  /** In milliseconds of the monotonic clock; infinite while there are no rules. */
  get dueMs(): number {
    return this.nextMs;
  }

  /**
   * Whether to look now. Asked before the look, so that what happens meanwhile asks for another one.
   * @param hasRules whether there is anything to look at
   */
  begin(hasRules: boolean): boolean {
    const nowMs = this.clock.monotonicMs();
    const isDue = hasRules && nowMs >= this.nextMs;
    if (!hasRules) this.nextMs = Infinity;
    else if (isDue || this.nextMs === Infinity)
      this.nextMs = nowMs + (this.changes?.watching === true ? WATCHED_POLL_MS : POLL_MS);
    if (isDue) this.lookedAtMs = nowMs;
    return isDue;
  }

  /** Rules changed: looked at once it is quiet, and not all the time. @returns whether that is sooner than planned */
  suspect(): boolean {
    if (this.nextMs === Infinity) return false;
    const dueMs = Math.max(this.clock.monotonicMs() + QUIET_MS, this.lookedAtMs + PAUSE_MS);
    if (dueMs >= this.nextMs) return false;
    this.nextMs = dueMs;
    return true;
  }
}
