/**
 * Makes rates of counters: keeps one sample of each and compares the next with it. Samples that come too soon after the last get the last
 * rate again, so that two who ask at once do not spoil each other's windows.
 */

interface Known {
  timeMs: number;
  nanos: number;
  rate: number | undefined;
}

const MIN_WINDOW_MS = 1_000;

export class CpuRates {
  private readonly known = new Map<string, Known>();

  /** Cores in billionths since the sample before; undefined for the first of a counter and after it began anew. */
  observe(key: string, timeMs: number, nanos: number): number | undefined {
    const last = this.known.get(key);
    if (last === undefined || nanos < last.nanos) {
      this.known.set(key, { timeMs, nanos, rate: undefined });
      return undefined;
    }
    const windowMs = timeMs - last.timeMs;
    if (windowMs < MIN_WINDOW_MS) return last.rate;
    const rate = Math.round((nanos - last.nanos) / (windowMs / 1000));
    this.known.set(key, { timeMs, nanos, rate });
    return rate;
  }

  /** Forgets all but these. */
  keep(keys: ReadonlySet<string>): void {
    for (const key of this.known.keys()) if (!keys.has(key)) this.known.delete(key);
  }
}
