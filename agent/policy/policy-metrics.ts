/** What is measured of network policies; upstream has no names for it. */
import type { Counter, Gauge, Histogram, MetricsRegistry } from '../../machinery/process/metrics.ts';
import type { WriteKind } from './policy-writer.ts';

export class PolicyMetrics {
  private readonly seconds: Histogram;
  private readonly errors: Counter;
  private readonly policies: Gauge;
  private readonly isolated: Gauge;

  constructor(registry: MetricsRegistry) {
    const prefix = 'k8ts_network_policy_';
    this.seconds = registry.histogram(`${prefix}write_duration_seconds`, 'Duration of writes of rules in seconds', [
      'kind',
    ]);
    this.errors = registry.counter(`${prefix}write_errors_total`, 'Writes of rules that failed');
    this.policies = registry.gauge(`${prefix}policies`, 'NetworkPolicies in the cluster');
    this.isolated = registry.gauge(
      `${prefix}isolated_pods`,
      'Pods of this node that are isolated in a direction at least',
    );
  }

  written(kind: WriteKind, durationMs: number): void {
    this.seconds.observe(durationMs / 1000, [kind]);
  }

  holds(policies: number, isolatedPods: number): void {
    this.policies.set(policies);
    this.isolated.set(isolatedPods);
  }

  failed(): void {
    this.errors.inc();
  }
}
