/**
 * Exponential back-off with jitter for one thing that is tried again and again, such as a connection.
 */
export interface BackoffOptions {
  /** Delay after the first failure, default 200. */
  baseMs?: number | undefined;
  /** Longest delay before jitter, default 10,000. */
  maxMs?: number | undefined;
  /** In [0, 1); default Math.random. Tests give a constant. */
  random?: (() => number) | undefined;
}

export class Backoff {
  private readonly baseMs: number;
  private readonly maxMs: number;
  private readonly random: () => number;
  private failures = 0;

  constructor(options: BackoffOptions = {}) {
    this.baseMs = options.baseMs ?? 200;
    this.maxMs = options.maxMs ?? 10_000;
    this.random = options.random ?? Math.random;
  }

  /** The delay after one more failure: doubling, and up to half of it more, so that many clients do not come at once. */
  nextMs(): number {
    const plainMs = Math.min(this.maxMs, this.baseMs * 2 ** Math.min(this.failures++, 30));
    return plainMs * (1 + this.random() / 2);
  }

  /** Something worked: the next delay is the shortest again. */
  reset(): void {
    this.failures = 0;
  }
}
