/**
 * What is done for pods, one act at a time. Names, labels and buckets are upstream's (`pkg/kubelet/metrics/metrics.go` 1.36).
 */
import type { Counter, Histogram, MetricsRegistry } from '../../../machinery/process/metrics.ts';
import type { ContainerRole } from '../plan/pod-spec.ts';
import { containerType } from './plan/container-type.ts';

const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export class PodWorkMetrics {
  private readonly sandboxSeconds: Histogram;
  private readonly sandboxErrors: Counter;
  private readonly containerErrors: Counter;
  private readonly preemptions: Counter;
  private readonly cgroupSeconds: Histogram;

  constructor(registry: MetricsRegistry) {
    this.sandboxSeconds = registry.histogram(
      'kubelet_run_podsandbox_duration_seconds',
      '[ALPHA] Duration in seconds of the run_podsandbox operations. Broken down by RuntimeClass.Handler.',
      ['runtime_handler'],
      BUCKETS,
    );
    this.sandboxErrors = registry.counter(
      'kubelet_run_podsandbox_errors_total',
      '[ALPHA] Cumulative number of the run_podsandbox operation errors by RuntimeClass.Handler.',
      ['runtime_handler'],
    );
    this.containerErrors = registry.counter(
      'kubelet_started_containers_errors_total',
      '[ALPHA] Cumulative number of errors when starting containers',
      ['container_type', 'code'],
    );
    this.preemptions = registry.counter(
      'kubelet_preemptions',
      '[ALPHA] Cumulative number of pod preemptions by preemption resource',
      ['preemption_signal'],
    );
    this.cgroupSeconds = registry.histogram(
      'kubelet_cgroup_manager_duration_seconds',
      '[ALPHA] Duration in seconds for cgroup manager operations. Broken down by method.',
      ['operation_type'],
      BUCKETS,
    );
  }

  /** @param handler of the pod's RuntimeClass; '' for the runtime's default */
  async sandbox<T>(handler: string, act: () => Promise<T>): Promise<T> {
    try {
      return await timed(act, seconds => this.sandboxSeconds.observe(seconds, [handler]));
    } catch (error) {
      this.sandboxErrors.inc([handler]);
      throw error;
    }
  }

  /** @param reason as the status says it: `ErrImagePull`, `CreateContainerConfigError` */
  containerFailed(role: ContainerRole, reason: string): void {
    this.containerErrors.inc([containerType(role), reason]);
  }

  /** A pod ends for another. @param resource that was short, the first of them */
  preempted(resource: string): void {
    this.preemptions.inc([resource]);
  }

  cgroup<T>(operation: 'create' | 'update' | 'destroy', act: () => Promise<T>): Promise<T> {
    return timed(act, seconds => this.cgroupSeconds.observe(seconds, [operation]));
  }
}

async function timed<T>(act: () => Promise<T>, tell: (seconds: number) => void): Promise<T> {
  const startedMs = performance.now();
  try {
    return await act();
  } finally {
    tell((performance.now() - startedMs) / 1000);
  }
}
