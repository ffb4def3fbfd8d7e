/**
 * Lets a limited number of acts run at once, in the order in which they came.
 *
 * A place is lent, not given: an act that takes longer than `patienceMs` goes on, and its place is handed to the next. So a few acts that
 * hang delay the others, each once, and never stop them.
 */
import type { Clock } from '../../../machinery/process/clock.ts';

export interface GateOptions {
  /** Acts at once; at least 1. */
  readonly limit: number;
  /** How long an act may hold its place, in milliseconds; default: until it ends. */
  readonly patienceMs?: number;
  readonly clock: Clock;
}

export class Gate {
  private readonly options: GateOptions;
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(options: GateOptions) {
    this.options = options;
  }

  /** Acts that wait. */
  get queued(): number {
    return this.waiting.length;
  }

  /**
   * Runs `act` when there is room. It may hand its place on before it ends, by calling `leave`.
   * @throws the signal's reason if it aborts before that
   */
  async run<T>(act: (leave: () => void) => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.enter(signal);
    const leave = once(() => this.leave());
    const { clock, patienceMs } = this.options;
    const keepWaiting = patienceMs === undefined ? () => {} : clock.after(patienceMs, leave);
    try {
      return await act(leave);
    } finally {
      keepWaiting();
      leave();
    }
  }

  /** The place is handed on, so that nobody slips in between. */
  private leave(): void {
    const next = this.waiting.shift();
    if (next === undefined) this.running--;
    else next();
  }

  private async enter(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.running < Math.max(1, this.options.limit)) {
      this.running++;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        const index = this.waiting.indexOf(go);
        if (index >= 0) this.waiting.splice(index, 1);
        reject(signal?.reason as Error);
      };
      const go = (): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      };
      this.waiting.push(go);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }
}

function once(act: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    act();
  };
}
