/** What the kubelet counts of its resource managers. Names, labels and buckets are upstream's (`pkg/kubelet/metrics/metrics.go` 1.36). */
import type { MetricsRegistry } from '../../../machinery/process/metrics.ts';

const ADMISSION_BUCKETS_MS = [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 409.6, 819.2];

/** What pod resources can be asked for. */
export type PodResourcesQuestion = 'list' | 'get' | 'get_allocatable';

export class ResourceMetrics {
  private readonly registry: MetricsRegistry;
  private readonly admissions;
  private readonly refusals;
  private readonly admissionMs;
  private readonly registrations;
  private readonly allocationSeconds;

  constructor(registry: MetricsRegistry) {
    this.registry = registry;
    this.admissions = this.counter(
      'topology_manager_admission_requests_total',
      'The number of admission requests where resources have to be aligned.',
    );
    this.refusals = this.counter(
      'topology_manager_admission_errors_total',
      'The number of admission request failures where resources could not be aligned.',
    );
    this.admissionMs = registry.histogram(
      'kubelet_topology_manager_admission_duration_ms',
      '[ALPHA] Duration in milliseconds to serve a pod admission request.',
      [],
      ADMISSION_BUCKETS_MS,
    );
    this.registrations = this.counter(
      'device_plugin_registration_total',
      'Cumulative number of device plugin registrations. Broken down by resource name.',
      ['resource_name'],
    );
    this.allocationSeconds = registry.histogram(
      'kubelet_device_plugin_alloc_duration_seconds',
      '[ALPHA] Duration in seconds to serve a device plugin Allocation request. Broken down by resource name.',
      ['resource_name'],
    );
  }

  admitted(durationMs: number, refused: boolean): void {
    this.admissions.inc();
    if (refused) this.refusals.inc();
    this.admissionMs.observe(durationMs);
  }

  /** A container that wants some to itself was looked at. */
  pinned(resource: 'cpu' | 'memory', failed: boolean): void {
    const of = resource === 'cpu' ? 'cpu core' : 'memory pages';
    const requests = `The number of ${of} allocations which required pinning.`;
    this.counter(`${resource}_manager_pinning_requests_total`, requests).inc();
    const errors = `The number of ${of} allocations which required pinning and failed.`;
    this.counter(`${resource}_manager_pinning_errors_total`, errors).inc([], failed ? 1 : 0);
  }

  pluginRegistered(resource: string): void {
    this.registrations.inc([resource]);
  }

  allocated(resource: string, seconds: number): void {
    this.allocationSeconds.observe(seconds, [resource]);
  }

  podResourcesAsked(question: PodResourcesQuestion, version: 'v1' | 'v1alpha1', failed: boolean): void {
    const by = ['server_api_version'];
    const all = 'Cumulative number of requests to the PodResource endpoint. Broken down by server api version.';
    this.counter('pod_resources_endpoint_requests_total', all, by).inc([version]);
    const of = `Number of requests to the PodResource ${question} endpoint. Broken down by server api version.`;
    this.counter(`pod_resources_endpoint_requests_${question}`, of, by).inc([version]);
    const errors = `Number of requests to the PodResource ${question} endpoint which returned error. Broken down by server api version.`;
    this.counter(`pod_resources_endpoint_errors_${question}`, errors, by).inc([version], failed ? 1 : 0);
  }

  /** Whenever somebody scrapes. @param counts processors that are shared, and that are given to one container alone */
  followCpus(counts: () => { readonly shared: number; readonly exclusive: number }): void {
    const gauge = (name: string, help: string) => this.registry.gauge(`kubelet_${name}`, `[ALPHA] ${help}`);
    const shared = gauge(
      'cpu_manager_shared_pool_size_millicores',
      'The size of the shared CPU pool for non-guaranteed QoS pods, in millicores.',
    );
    const exclusive = gauge(
      'cpu_manager_exclusive_cpu_allocation_count',
      'The total number of CPUs exclusively allocated to containers running on this node',
    );
    this.registry.onScrape(() => {
      const now = counts();
      shared.set(now.shared * 1000);
      exclusive.set(now.exclusive);
    });
  }

  private counter(name: string, help: string, labels: readonly string[] = []) {
    return this.registry.counter(`kubelet_${name}`, `[ALPHA] ${help}`, labels);
  }
}
