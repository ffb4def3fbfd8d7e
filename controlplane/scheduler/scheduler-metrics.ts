/** What the scheduler counts and times, under upstream's names (`pkg/scheduler/metrics`). What can be looked up is looked up when somebody asks. */
import type { Histogram, MetricsRegistry } from '../../machinery/process/metrics.ts';
import type { Timing } from './framework/timing.ts';

/** Of one pod's try. */
export type AttemptResult = 'scheduled' | 'unschedulable' | 'error';

/** What others know already. */
export interface SchedulerSizes {
  queue(): { active: number; backoff: number; unschedulable: number; gated: number };
  /** By profile and plugin (`profile/plugin`). */
  unschedulableByPlugin(): ReadonlyMap<string, number>;
  cache(): { nodes: number; pods: number; assumedPods: number };
  bindings(): number;
}

/** One try in so many has each of its plugins timed. */
const PLUGINS_TIMED_EVERY = 100;

function exponential(first: number, factor: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => Number((first * factor ** i).toPrecision(12)));
}

export class SchedulerMetrics {
  private readonly attempts;
  private readonly attemptSeconds: Histogram;
  private readonly decisionSeconds: Histogram;
  private readonly sliSeconds: Histogram;
  private readonly attemptsOfPods: Histogram;
  private readonly pointSeconds: Histogram;
  private readonly pluginSeconds: Histogram;
  private readonly permitWaitSeconds: Histogram;
  private readonly incoming;
  private readonly preemptions;
  private readonly victims: Histogram;
  private tries = 0;

  constructor(registry: MetricsRegistry, sizes: SchedulerSizes) {
    const ofTries = exponential(0.001, 2, 15);
    this.attempts = registry.counter('scheduler_schedule_attempts_total', 'Tries to schedule pods, by their result.', [
      'result',
      'profile',
    ]);
    this.attemptSeconds = registry.histogram(
      'scheduler_scheduling_attempt_duration_seconds',
      'Time of a try, deciding and binding.',
      ['result', 'profile'],
      ofTries,
    );
    this.decisionSeconds = registry.histogram(
      'scheduler_scheduling_algorithm_duration_seconds',
      'Time of deciding.',
      [],
      ofTries,
    );
    this.sliSeconds = registry.histogram(
      'scheduler_pod_scheduling_sli_duration_seconds',
      'Time from a pod being queued to being bound, by how many tries it took.',
      ['attempts'],
      exponential(0.01, 2, 20),
    );
    this.attemptsOfPods = registry.histogram(
      'scheduler_pod_scheduling_attempts',
      'How many tries it took to schedule a pod.',
      [],
      exponential(1, 2, 5),
    );
    this.pointSeconds = registry.histogram(
      'scheduler_framework_extension_point_duration_seconds',
      'Time of all plugins of an extension point.',
      ['extension_point', 'status', 'profile'],
      exponential(0.0001, 2, 12),
    );
    this.pluginSeconds = registry.histogram(
      'scheduler_plugin_execution_duration_seconds',
      'Time of one plugin at an extension point; of one try in a hundred.',
      ['plugin', 'extension_point', 'status'],
      exponential(0.00001, 1.5, 20),
    );
    this.permitWaitSeconds = registry.histogram(
      'scheduler_permit_wait_duration_seconds',
      'How long pods waited for permission.',
      ['result'],
      ofTries,
    );
    this.incoming = registry.counter('scheduler_queue_incoming_pods_total', 'Pods put into a queue, by what made it.', [
      'queue',
      'event',
    ]);
    this.preemptions = registry.counter('scheduler_preemption_attempts_total', 'Tries to make room for a pod.');
    this.victims = registry.histogram(
      'scheduler_preemption_victims',
      'Pods that had to go, for each time that room was made.',
      [],
      exponential(1, 2, 7),
    );
    copySizes(registry, sizes);
  }

  /** For one try of a pod of that profile. */
  timing(profile: string): Timing {
    const point: Timing['point'] = (extensionPoint, status, seconds) =>
      this.pointSeconds.observe(seconds, [extensionPoint, status, profile]);
    if (++this.tries % PLUGINS_TIMED_EVERY !== 0) return { point };
    const plugin: Timing['plugin'] = (name, extensionPoint, status, seconds) =>
      this.pluginSeconds.observe(seconds, [name, extensionPoint, status]);
    return { point, plugin };
  }

  decided(seconds: number): void {
    this.decisionSeconds.observe(seconds);
  }

  attempted(result: AttemptResult, profile: string, seconds: number): void {
    this.attempts.inc([result, profile]);
    this.attemptSeconds.observe(seconds, [result, profile]);
  }

  /** @param attempts tries that it took @param seconds since the pod was queued first */
  bound(attempts: number, seconds: number): void {
    this.attemptsOfPods.observe(attempts);
    this.sliSeconds.observe(seconds, [attempts > 15 ? '16+' : String(attempts)]);
  }

  waited(result: 'allowed' | 'rejected', seconds: number): void {
    this.permitWaitSeconds.observe(seconds, [result]);
  }

  queued(queue: string, event: string): void {
    this.incoming.inc([queue, event]);
  }

  /** @param victims undefined: no room could be made */
  preempted(victims: number | undefined): void {
    this.preemptions.inc();
    if (victims !== undefined) this.victims.observe(victims);
  }
}

function copySizes(registry: MetricsRegistry, sizes: SchedulerSizes): void {
  const pending = registry.gauge('scheduler_pending_pods', 'Pods without a node, by queue.', ['queue']);
  const unschedulable = registry.gauge('scheduler_unschedulable_pods', 'Pods that a plugin turned down.', [
    'plugin',
    'profile',
  ]);
  const cache = registry.gauge('scheduler_cache_size', 'What the scheduler knows of, by type.', ['type']);
  const bindings = registry.gauge('scheduler_goroutines', 'What runs beside deciding, by operation.', ['operation']);
  const told = new Set<string>();
  registry.onScrape(() => {
    const { active, backoff, unschedulable: parked, gated } = sizes.queue();
    pending.set(active, ['active']);
    pending.set(backoff, ['backoff']);
    pending.set(parked, ['unschedulable']);
    pending.set(gated, ['gated']);
    const byPlugin = sizes.unschedulableByPlugin();
    for (const key of byPlugin.keys()) told.add(key);
    for (const key of told) {
      const [profile = '', plugin = ''] = key.split('/');
      unschedulable.set(byPlugin.get(key) ?? 0, [plugin, profile]);
    }
    const { nodes, pods, assumedPods } = sizes.cache();
    cache.set(nodes, ['nodes']);
    cache.set(pods, ['pods']);
    cache.set(assumedPods, ['assumed_pods']);
    bindings.set(sizes.bindings(), ['binding']);
  });
}
