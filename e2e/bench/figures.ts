/** Statistics of samples. Times are milliseconds. */

export interface Summary {
  readonly n: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** Nearest-rank percentile; NaN of nothing. */
export function percentile(samples: readonly number[], p: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((p / 100) * sorted.length) - 1)] ?? NaN;
}

export function summarize(samples: readonly number[]): Summary {
  const at = (p: number) => Math.round(percentile(samples, p));
  return { n: samples.length, p50: at(50), p90: at(90), p99: at(99), max: at(100) };
}
