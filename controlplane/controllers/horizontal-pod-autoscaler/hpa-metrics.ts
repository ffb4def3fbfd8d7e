/** What the autoscaler counts, under upstream's names (`pkg/controller/podautoscaler/monitor`). */
import type { MetricSpec } from '../../../proto/api/autoscaling-v2.ts';
import type { Counter, Gauge, Histogram, MetricsRegistry } from '../../../machinery/process/metrics.ts';
import type { Outcome } from './plan/hpa-status.ts';

const BUCKETS = Array.from({ length: 15 }, (_, i) => 0.001 * 2 ** i);
const LABELS = ['action', 'error'];

export class HpaMetrics {
  private readonly rounds: Counter;
  private readonly seconds: Histogram;
  private readonly computations: Counter;
  private readonly autoscalers: Gauge;

  /** @param count how many autoscalers there are, when somebody asks */
  constructor(registry: MetricsRegistry, count: () => number) {
    const name = (text: string): string => `horizontal_pod_autoscaler_controller_${text}`;
    this.rounds = registry.counter(name('reconciliations_total'), 'Looks at autoscalers.', LABELS);
    this.seconds = registry.histogram(name('reconciliation_duration_seconds'), 'Time of a look.', LABELS, BUCKETS);
    this.computations = registry.counter(name('metric_computation_total'), 'Metrics that were looked at.', [
      ...LABELS,
      'metric_type',
    ]);
    this.autoscalers = registry.gauge(name('num_horizontal_pod_autoscalers'), 'Autoscalers that there are.');
    registry.onScrape(() => this.autoscalers.set(count()));
  }

  looked({ action, error }: Outcome, durationMs: number): void {
    this.rounds.inc([action, error]);
    this.seconds.observe(durationMs / 1000, [action, error]);
  }

  /** @param replicas that it asks for; undefined: it says nothing */
  computed(type: MetricSpec['type'], replicas: number | undefined, current: number): void {
    const action =
      replicas === undefined || replicas === current ? 'none' : replicas > current ? 'scale_up' : 'scale_down';
    this.computations.inc([action, replicas === undefined ? 'internal' : 'none', type]);
  }
}
