/** The proxy's metrics, by upstream's names (v1.34, pkg/proxy/metrics), so that dashboards and alerts for kube-proxy work. */
import type { Clock } from '../../machinery/process/clock.ts';
import type { MetricsRegistry } from '../../machinery/process/metrics.ts';
import type { ProxyBackend } from './backend.ts';
import type { SyncReport } from './family-sync.ts';
import type { AddressFamily } from './plan/address.ts';
import type { ServicePortModel } from './plan/model.ts';

const PREFIX = 'kubeproxy_';
/** 1 ms doubling to 16 s. */
const SYNC_BUCKETS = Array.from({ length: 15 }, (_, i) => 0.001 * 2 ** i);
/** Quarters of a second, seconds to a minute, then every five seconds to two minutes and every thirty to five. */
const PROGRAMMING_BUCKETS = [
  ...[0.25, 0.5],
  ...Array.from({ length: 59 }, (_, i) => i + 1),
  ...Array.from({ length: 12 }, (_, i) => 60 + 5 * i),
  ...Array.from({ length: 7 }, (_, i) => 120 + 30 * i),
];

export class ProxyMetrics {
  private readonly clock: Clock;
  private readonly metrics;
  /** Ports under a policy Local that have no endpoint here, by family and service: `internal`, `external`. */
  private readonly noLocal = new Map<string, { internal: number; external: number }>();
  /** Back ends whose rules are counted when somebody asks. */
  private readonly iptables = new Map<AddressFamily, ProxyBackend>();
  private endpointChanges = 0;
  private serviceChanges = 0;

  constructor(registry: MetricsRegistry, clock: Clock) {
    this.clock = clock;
    const rules = (name: string): string => `${PREFIX}sync_proxy_rules_${name}`;
    const family = ['ip_family'];
    this.metrics = {
      duration: registry.histogram(
        rules('duration_seconds'),
        'SyncProxyRules latency in seconds',
        family,
        SYNC_BUCKETS,
      ),
      full: registry.histogram(
        `${PREFIX}sync_full_proxy_rules_duration_seconds`,
        'SyncProxyRules latency in seconds for full resyncs',
        family,
        SYNC_BUCKETS,
      ),
      partial: registry.histogram(
        `${PREFIX}sync_partial_proxy_rules_duration_seconds`,
        'SyncProxyRules latency in seconds for partial resyncs',
        family,
        SYNC_BUCKETS,
      ),
      programming: registry.histogram(
        `${PREFIX}network_programming_duration_seconds`,
        'In Cluster Network Programming Latency in seconds',
        family,
        PROGRAMMING_BUCKETS,
      ),
      endpointPending: registry.gauge(rules('endpoint_changes_pending'), 'Pending proxy rules Endpoint changes'),
      endpointTotal: registry.counter(rules('endpoint_changes_total'), 'Cumulative proxy rules Endpoint changes'),
      servicePending: registry.gauge(rules('service_changes_pending'), 'Pending proxy rules Service changes'),
      serviceTotal: registry.counter(rules('service_changes_total'), 'Cumulative proxy rules Service changes'),
      last: registry.gauge(
        rules('last_timestamp_seconds'),
        'The last time proxy rules were successfully synced',
        family,
      ),
      queued: registry.gauge(
        rules('last_queued_timestamp_seconds'),
        'The last time a sync of proxy rules was queued',
        family,
      ),
      iptables: registry.gauge(rules('iptables_total'), 'Total number of iptables rules owned by kube-proxy', [
        'table',
        ...family,
      ]),
      iptablesFailures: registry.counter(
        rules('iptables_restore_failures_total'),
        'Cumulative proxy iptables restore failures',
        family,
      ),
      iptablesPartialFailures: registry.counter(
        rules('iptables_partial_restore_failures_total'),
        'Cumulative proxy iptables partial restore failures',
        family,
      ),
      nftablesFailures: registry.counter(
        rules('nftables_sync_failures_total'),
        'Cumulative proxy nftables sync failures',
        family,
      ),
      noLocal: registry.gauge(
        rules('no_local_endpoints_total'),
        'Number of services with a Local traffic policy and no endpoints',
        ['traffic_policy', ...family],
      ),
      healthz: registry.counter(`${PREFIX}proxy_healthz_total`, 'Cumulative proxy healthz HTTP status', ['code']),
      livez: registry.counter(`${PREFIX}proxy_livez_total`, 'Cumulative proxy livez HTTP status', ['code']),
    };
    registry.onScrape(() => {
      this.setLocal();
      this.setRules();
    });
  }

  serviceChanged(): void {
    this.metrics.serviceTotal.inc();
    this.metrics.servicePending.set(++this.serviceChanges);
  }

  endpointsChanged(): void {
    this.metrics.endpointTotal.inc();
    this.metrics.endpointPending.set(++this.endpointChanges);
  }

  queued(family: AddressFamily): void {
    this.metrics.queued.set(this.clock.now() / 1000, [family]);
  }

  synced(report: SyncReport, backend: ProxyBackend): void {
    const { metrics } = this;
    const labels = [report.family];
    const nowMs = this.clock.now();
    metrics.duration.observe(report.durationMs / 1000, labels);
    (report.kind === 'full' ? metrics.full : metrics.partial).observe(report.durationMs / 1000, labels);
    for (const atMs of report.triggeredAtMs) metrics.programming.observe(Math.max(0, nowMs - atMs) / 1000, labels);
    metrics.last.set(nowMs / 1000, labels);
    metrics.endpointPending.set((this.endpointChanges = 0));
    metrics.servicePending.set((this.serviceChanges = 0));
    if (backend.name === 'iptables') this.iptables.set(report.family, backend);
  }

  failed(family: AddressFamily, backend: ProxyBackend['name'], kind: SyncReport['kind']): void {
    const { iptablesFailures, iptablesPartialFailures, nftablesFailures } = this.metrics;
    if (backend === 'nftables') nftablesFailures.inc([family]);
    else if (backend === 'iptables') (kind === 'full' ? iptablesFailures : iptablesPartialFailures).inc([family]);
  }

  /** What a service looks like from this node; no ports if it is gone. */
  localEndpoints(family: AddressFamily, service: string, ports: readonly ServicePortModel[]): void {
    const lacking = ports.filter(port => port.localEndpoints.length === 0 && port.clusterEndpoints.length > 0);
    const internal = lacking.filter(port => port.internalPolicy === 'Local').length;
    const external = lacking.filter(port => port.externalPolicy === 'Local' && isExternal(port)).length;
    const key = `${family} ${service}`;
    if (internal + external === 0) this.noLocal.delete(key);
    else this.noLocal.set(key, { internal, external });
  }

  answered(check: 'healthz' | 'livez', code: number): void {
    this.metrics[check].inc([String(code)]);
  }

  private setRules(): void {
    for (const [family, backend] of this.iptables)
      for (const [table, count] of backend.ruleCounts?.() ?? []) this.metrics.iptables.set(count, [table, family]);
  }

  private setLocal(): void {
    for (const family of ['IPv4', 'IPv6']) {
      const counts = [...this.noLocal].filter(([key]) => key.startsWith(family)).map(([, count]) => count);
      for (const policy of ['internal', 'external'] as const) {
        const total = counts.reduce((sum, count) => sum + count[policy], 0);
        this.metrics.noLocal.set(total, [policy, family]);
      }
    }
  }
}

function isExternal({ nodePort, externalIPs, loadBalancerIPs }: ServicePortModel): boolean {
  return nodePort !== undefined || externalIPs.length > 0 || loadBalancerIPs.length > 0;
}
