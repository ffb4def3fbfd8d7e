/**
 * What a starting k8ts has done so far: steps with their times, read by `k8ts up` and `k8ts status` over the control socket.
 */
import { errorText } from '../machinery/meta/error-text.ts';
import type { Clock } from '../machinery/process/clock.ts';

export interface Step {
  name: string;
  state: 'running' | 'done' | 'failed';
  /** How long it took, or has taken so far. */
  ms: number;
  /** One more thing worth knowing: a version, an address, the cause of a failure. */
  detail: string;
}

export class Progress {
  private readonly clock: Clock;
  private readonly entries: { step: Step; fromMs: number }[] = [];

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Runs `work` as a step; what it returns as text becomes the step's detail. A failure is noted and thrown on. */
  async step<T>(name: string, work: () => Promise<T>, detailOf?: (result: T) => string): Promise<T> {
    const entry = { step: { name, state: 'running', ms: 0, detail: '' } as Step, fromMs: this.clock.monotonicMs() };
    this.entries.push(entry);
    try {
      const result = await work();
      entry.step = {
        name,
        state: 'done',
        ms: this.clock.monotonicMs() - entry.fromMs,
        detail: detailOf?.(result) ?? '',
      };
      return result;
    } catch (error) {
      const detail = errorText(error);
      entry.step = { name, state: 'failed', ms: this.clock.monotonicMs() - entry.fromMs, detail };
      throw error;
    }
  }

  /** In the order in which they began. */
  steps(): Step[] {
    const nowMs = this.clock.monotonicMs();
    return this.entries.map(({ step, fromMs }) => (step.state === 'running' ? { ...step, ms: nowMs - fromMs } : step));
  }
}
