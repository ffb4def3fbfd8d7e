/** A metric of Prometheus with its series, before it is text. */
export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  /** When it was measured, in milliseconds since the epoch; undefined: now. */
  readonly timeMs?: number | undefined;
}

export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly series: readonly Series[];
}
