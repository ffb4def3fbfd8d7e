/**
 * Counters, gauges and histograms in Prometheus' text format.
 * Own and small on purpose: prom-client costs several megabytes and 30 ms at start, and its label handling is slower than the paths it would measure.
 */

type Labels = Readonly<Record<string, string>>;

/** A metric with its label names fixed at creation; labels are given as values in that order. */
interface Family {
  render(): string;
}

/** Upstream's buckets for requests, in seconds. */
export const DEFAULT_BUCKETS: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export class MetricsRegistry {
  private readonly families = new Map<string, Family>();
  private readonly beforeRender: (() => void)[] = [];

  counter(name: string, help: string, labelNames: readonly string[] = []): Counter {
    return this.add(name, () => new Counter(name, help, 'counter', labelNames));
  }

  /** @param type `counter` for what is counted elsewhere and copied when somebody asks */
  gauge(name: string, help: string, labelNames: readonly string[] = [], type: 'gauge' | 'counter' = 'gauge'): Gauge {
    return this.add(name, () => new Gauge(name, help, type, labelNames));
  }

  histogram(name: string, help: string, labelNames: readonly string[] = [], buckets = DEFAULT_BUCKETS): Histogram {
    return this.add(name, () => new Histogram(name, help, labelNames, buckets));
  }

  /** `collect` runs before each scrape, to set gauges that are only looked up when somebody asks. */
  onScrape(collect: () => void): void {
    this.beforeRender.push(collect);
  }

  /** The body of `/metrics`, `text/plain; version=0.0.4`. */
  render(): string {
    for (const collect of this.beforeRender) collect();
    return [...this.families.values()].map(family => family.render()).join('');
  }

  /** The same name gives the same metric, so that parts may share one. */
  private add<F extends Family>(name: string, create: () => F): F {
    const known = this.families.get(name);
    if (known !== undefined) return known as F;
    const family = create();
    this.families.set(name, family);
    return family;
  }
}

/** One number for each combination of labels. */
class NumberFamily implements Family {
  protected readonly values = new Map<string, { labels: string; value: number }>();
  private readonly head: string;
  private readonly name: string;
  private readonly labelNames: readonly string[];

  constructor(name: string, help: string, type: string, labelNames: readonly string[]) {
    this.name = name;
    this.labelNames = labelNames;
    this.head = `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
    if (labelNames.length === 0) this.values.set('', { labels: '', value: 0 });
  }

  render(): string {
    let text = this.head;
    for (const { labels, value } of this.values.values()) text += `${this.name}${labels} ${value}\n`;
    return text;
  }

  /** Drops what is counted under labels of which nothing will be told again. */
  forget(isOver: (labels: readonly string[]) => boolean): void {
    for (const key of this.values.keys()) if (isOver(key.split('\u0000'))) this.values.delete(key);
  }

  protected cell(labels: readonly string[]): { value: number } {
    const key = labels.join('\u0000');
    let cell = this.values.get(key);
    if (cell === undefined) {
      cell = { labels: renderLabels(zip(this.labelNames, labels)), value: 0 };
      this.values.set(key, cell);
    }
    return cell;
  }
}

export class Counter extends NumberFamily {
  inc(labels: readonly string[] = [], by = 1): void {
    this.cell(labels).value += by;
  }
}

export class Gauge extends NumberFamily {
  set(value: number, labels: readonly string[] = []): void {
    this.cell(labels).value = value;
  }

  add(by: number, labels: readonly string[] = []): void {
    this.cell(labels).value += by;
  }
}

interface Distribution {
  labels: Labels;
  counts: Float64Array;
  sum: number;
}

export class Histogram implements Family {
  private readonly values = new Map<string, Distribution>();
  private readonly name: string;
  private readonly help: string;
  private readonly labelNames: readonly string[];
  private readonly buckets: readonly number[];

  constructor(name: string, help: string, labelNames: readonly string[], buckets: readonly number[]) {
    this.name = name;
    this.help = help;
    this.labelNames = labelNames;
    this.buckets = buckets;
  }

  observe(value: number, labels: readonly string[] = []): void {
    const key = labels.join('\u0000');
    let cell = this.values.get(key);
    if (cell === undefined) {
      cell = { labels: zip(this.labelNames, labels), counts: new Float64Array(this.buckets.length + 1), sum: 0 };
      this.values.set(key, cell);
    }
    let bucket = 0;
    while (bucket < this.buckets.length && value > (this.buckets[bucket] ?? 0)) bucket++;
    cell.counts[bucket] = (cell.counts[bucket] ?? 0) + 1;
    cell.sum += value;
  }

  /** Drops what is counted under labels of which nothing will be told again. */
  forget(isOver: (labels: readonly string[]) => boolean): void {
    for (const key of this.values.keys()) if (isOver(key.split('\u0000'))) this.values.delete(key);
  }

  render(): string {
    let text = `# HELP ${this.name} ${this.help}\n# TYPE ${this.name} histogram\n`;
    for (const { labels, counts, sum } of this.values.values()) {
      let total = 0;
      for (let i = 0; i < counts.length; i++) {
        total += counts[i] ?? 0;
        const le = i < this.buckets.length ? String(this.buckets[i]) : '+Inf';
        text += `${this.name}_bucket${renderLabels({ ...labels, le })} ${total}\n`;
      }
      const own = renderLabels(labels);
      text += `${this.name}_sum${own} ${sum}\n${this.name}_count${own} ${total}\n`;
    }
    return text;
  }
}

function zip(names: readonly string[], values: readonly string[]): Labels {
  return Object.fromEntries(names.map((name, i) => [name, values[i] ?? '']));
}

/** `{a="b",c="d"}`; nothing without labels. */
export function renderLabels(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escape(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escape(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
