/**
 * The API server's own metrics under upstream's names, in Prometheus' text form. A registry of its own: a request costs two map look-ups.
 */
import type { Exchange, Filter } from '../server/exchange.ts';
import type { Response } from '../server/request.ts';

const BUCKETS = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60];

interface Series {
  readonly labels: string;
  readonly buckets: number[];
  sum: number;
  count: number;
}

export class ApiMetrics {
  readonly #durations = new Map<string, Series>();
  readonly #totals = new Map<string, number>();
  #inFlight = 0;
  #longRunning = 0;

  /** Counts and times every request. */
  filter(now: () => number): Filter {
    return async (exchange, next) => {
      const startMs = now();
      const { longRunning } = exchange.info;
      if (longRunning) this.#longRunning++;
      else this.#inFlight++;
      let code = 500;
      try {
        const response = await next(exchange);
        code = statusOf(response);
        return response;
      } finally {
        if (longRunning) this.#longRunning--;
        else this.#inFlight--;
        this.#observe(exchange, code, (now() - startMs) / 1000);
      }
    };
  }

  #observe({ info }: Exchange, code: number, seconds: number): void {
    const scope =
      info.name !== '' ? 'resource' : info.namespace !== '' ? 'namespace' : info.isResource ? 'cluster' : '';
    const verb = info.isResource ? info.verb.toUpperCase() : info.verb.toUpperCase();
    const labels = `group="${escape(info.group)}",resource="${escape(info.resource)}",scope="${scope}",subresource="${escape(info.subresource)}",verb="${escape(verb)}",version="${escape(info.version)}"`;
    const total = `code="${code}",${labels}`;
    this.#totals.set(total, (this.#totals.get(total) ?? 0) + 1);
    if (info.longRunning) return;
    let series = this.#durations.get(labels);
    if (series === undefined)
      this.#durations.set(
        labels,
        (series = { labels, buckets: new Array<number>(BUCKETS.length).fill(0), sum: 0, count: 0 }),
      );
    series.sum += seconds;
    series.count++;
    const bucket = BUCKETS.findIndex(limit => seconds <= limit);
    if (bucket >= 0) series.buckets[bucket] = (series.buckets[bucket] ?? 0) + 1;
  }

  /** @param objects how many objects of each resource are stored, by `resource.group` */
  render(objects: ReadonlyMap<string, number>): string {
    const lines = [
      '# HELP apiserver_request_total Counter of apiserver requests broken out for each verb, group, version, resource, scope and HTTP response code.',
      '# TYPE apiserver_request_total counter',
    ];
    for (const [labels, value] of this.#totals) lines.push(`apiserver_request_total{${labels}} ${value}`);
    lines.push(
      '# HELP apiserver_request_duration_seconds Response latency distribution in seconds for each verb, group, version, resource, subresource and scope.',
      '# TYPE apiserver_request_duration_seconds histogram',
    );
    for (const series of this.#durations.values()) lines.push(...histogram(series));
    lines.push(
      '# HELP apiserver_current_inflight_requests Number of requests that are worked on at the moment.',
      '# TYPE apiserver_current_inflight_requests gauge',
      `apiserver_current_inflight_requests ${this.#inFlight}`,
      '# HELP apiserver_longrunning_requests Number of active long-running requests.',
      '# TYPE apiserver_longrunning_requests gauge',
      `apiserver_longrunning_requests ${this.#longRunning}`,
      '# HELP apiserver_storage_objects Number of stored objects, by resource.',
      '# TYPE apiserver_storage_objects gauge',
    );
    for (const [resource, count] of objects) lines.push(`apiserver_storage_objects{resource="${resource}"} ${count}`);
    lines.push(
      '# HELP process_resident_memory_bytes Resident memory size in bytes.',
      '# TYPE process_resident_memory_bytes gauge',
      `process_resident_memory_bytes ${process.memoryUsage.rss()}`,
    );
    return `${lines.join('\n')}\n`;
  }
}

function histogram({ labels, buckets, sum, count }: Series): string[] {
  const lines: string[] = [];
  let cumulative = 0;
  BUCKETS.forEach((limit, i) => {
    cumulative += buckets[i] ?? 0;
    lines.push(`apiserver_request_duration_seconds_bucket{${labels},le="${limit}"} ${cumulative}`);
  });
  lines.push(`apiserver_request_duration_seconds_bucket{${labels},le="+Inf"} ${count}`);
  lines.push(
    `apiserver_request_duration_seconds_sum{${labels}} ${sum}`,
    `apiserver_request_duration_seconds_count{${labels}} ${count}`,
  );
  return lines;
}

function statusOf(response: Response): number {
  switch (response.kind) {
    case 'list':
    case 'watch':
      return 200;
    case 'hijacked':
      return 101;
    default:
      return response.status;
  }
}

function escape(text: string): string {
  return text.replace(/[\\"\n]/g, '');
}
