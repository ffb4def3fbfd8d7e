/**
 * What DNS counts, by the names and labels that dashboards of CoreDNS know (plugins metrics, cache, forward and kubernetes).
 * `server` is always that of port 53; `zone` the cluster's domain or `.` for all else.
 */
import { DEFAULT_BUCKETS } from '../../machinery/process/metrics.ts';
import type { Counter, Gauge, Histogram, MetricsRegistry } from '../../machinery/process/metrics.ts';

/** How a question came. */
export interface Via {
  readonly transport: 'udp' | 'tcp';
  /** `1` for IPv4, `2` for IPv6, as CoreDNS counts them. */
  readonly family: '1' | '2';
}

/** What is told of every answer. */
export interface Answered {
  /** `A`; types that clients of a cluster do not ask for are `other`. */
  readonly type: string;
  readonly zone: string;
  readonly rcode: string;
  readonly bytes: number;
  readonly seconds: number;
}

const SERVER = 'dns://:53';
/** A quarter of a millisecond, doubled sixteen times. */
const DURATION_BUCKETS = Array.from({ length: 16 }, (_, i) => 0.00025 * 2 ** i);
const SIZE_BUCKETS = [0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16_000, 32_000, 48_000, 64_000];
const COUNTED_TYPES = new Set('A AAAA CNAME DNSKEY DS HTTPS MX NS PTR SOA SRV SVCB TXT ANY HINFO NAPTR'.split(' '));
const RCODE_NAMES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];
const CACHE_LABELS = ['server', 'type', 'zones', 'view'];

export class DnsMetrics {
  private readonly requests: Counter;
  private readonly responses: Counter;
  private readonly durations: Histogram;
  private readonly sizes: Histogram;
  private readonly hits: Counter;
  private readonly misses: Counter;
  private readonly prefetches: Counter;
  private readonly stale: Counter;
  private readonly entries: Gauge;
  private readonly forwardRequests: Counter;
  private readonly forwardResponses: Counter;
  private readonly forwardDurations: Histogram;
  private readonly forwardFailures: Counter;
  private readonly forwardRejects: Counter;
  private readonly programming: Histogram;

  constructor(registry: MetricsRegistry) {
    const zoneLabels = ['server', 'zone', 'view'];
    this.requests = registry.counter(
      'coredns_dns_requests_total',
      'Counter of DNS requests made per zone, protocol and family.',
      [...zoneLabels, 'proto', 'family', 'type'],
    );
    this.responses = registry.counter('coredns_dns_responses_total', 'Counter of response status codes.', [
      ...zoneLabels,
      'rcode',
      'plugin',
    ]);
    this.durations = registry.histogram(
      'coredns_dns_request_duration_seconds',
      'Histogram of the time (in seconds) each request took per zone.',
      zoneLabels,
      DURATION_BUCKETS,
    );
    this.sizes = registry.histogram(
      'coredns_dns_response_size_bytes',
      'Size of the returned response in bytes.',
      [...zoneLabels, 'proto'],
      SIZE_BUCKETS,
    );
    this.hits = registry.counter('coredns_cache_hits_total', 'The count of cache hits.', CACHE_LABELS);
    this.misses = registry.counter('coredns_cache_misses_total', 'The count of cache misses.', [
      'server',
      'zones',
      'view',
    ]);
    this.prefetches = registry.counter(
      'coredns_cache_prefetch_total',
      'The number of times the cache has prefetched a cached item.',
      ['server', 'zones', 'view'],
    );
    this.stale = registry.counter(
      'coredns_cache_served_stale_total',
      'The number of requests served from stale cache entries.',
      ['server', 'zones', 'view'],
    );
    this.entries = registry.gauge('coredns_cache_entries', 'The number of elements in the cache.', CACHE_LABELS);
    this.forwardRequests = registry.counter(
      'coredns_forward_requests_total',
      'Counter of requests made per upstream.',
      ['to'],
    );
    this.forwardResponses = registry.counter(
      'coredns_forward_responses_total',
      'Counter of responses received per upstream.',
      ['to', 'rcode'],
    );
    this.forwardDurations = registry.histogram(
      'coredns_forward_request_duration_seconds',
      'Histogram of the time each request took.',
      ['to', 'rcode'],
      DURATION_BUCKETS,
    );
    this.forwardFailures = registry.counter(
      'coredns_forward_healthcheck_failures_total',
      'Counter of the number of failed healthchecks.',
      ['to'],
    );
    this.forwardRejects = registry.counter(
      'coredns_forward_max_concurrent_rejects_total',
      'Counter of the number of queries rejected because the concurrent queries were at maximum.',
    );
    this.programming = registry.histogram(
      'coredns_kubernetes_dns_programming_duration_seconds',
      'Histogram of the time (in seconds) it took to program a dns instance.',
      ['service_kind'],
      DEFAULT_BUCKETS,
    );
  }

  answered({ transport, family }: Via, { type, zone, rcode, bytes, seconds }: Answered): void {
    this.requests.inc([SERVER, zone, '', transport, family, COUNTED_TYPES.has(type) ? type : 'other']);
    this.responses.inc([SERVER, zone, '', rcode, zone === '.' ? 'forward' : 'kubernetes']);
    this.durations.observe(seconds, [SERVER, zone, '']);
    this.sizes.observe(bytes, [SERVER, zone, '', transport]);
  }

  cacheHit(zone: string, isNegative: boolean): void {
    this.hits.inc([SERVER, isNegative ? 'denial' : 'success', zone, '']);
  }

  cacheMiss(zone: string): void {
    this.misses.inc([SERVER, zone, '']);
  }

  prefetched(): void {
    this.prefetches.inc([SERVER, '.', '']);
  }

  servedStale(): void {
    this.stale.inc([SERVER, '.', '']);
  }

  cacheHolds(zone: string, entries: number): void {
    this.entries.set(entries, [SERVER, 'success', zone, '']);
  }

  forwarded(to: string, rcode: number, seconds: number): void {
    const name = RCODE_NAMES[rcode] ?? String(rcode);
    this.forwardRequests.inc([to]);
    this.forwardResponses.inc([to, name]);
    this.forwardDurations.observe(seconds, [to, name]);
  }

  forwardFailed(to: string): void {
    this.forwardRequests.inc([to]);
    this.forwardFailures.inc([to]);
  }

  forwardRejected(): void {
    this.forwardRejects.inc();
  }

  /** An endpoint of a headless service can be asked for, so long after its pod changed. */
  programmed(seconds: number): void {
    this.programming.observe(seconds, ['headless_with_selector']);
  }
}
