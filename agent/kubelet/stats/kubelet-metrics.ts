/**
 * What the kubelet tells of itself at `/metrics` and of probes at `/metrics/probes`: counted where it happens, looked up when somebody asks.
 * Names, labels and buckets are upstream's (kubernetes `pkg/kubelet/metrics/metrics.go`, `pkg/kubelet/prober/prober_manager.go`).
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { ReconcileObserver } from '../../../machinery/client/run-reconciler.ts';
import { MetricsRegistry } from '../../../machinery/process/metrics.ts';
import { processMetrics } from '../../../machinery/process/process-metrics.ts';
import { isStaticPod } from '../plan/critical-pod.ts';
import { isTerminalPhase, uidOf } from '../plan/pod-spec.ts';
import type { PodView } from '../plan/pod-view.ts';
import { ImageMetrics } from './image-metrics.ts';
import { operationType } from './plan/operation-type.ts';
import { PodStartMetrics } from './pod-start-metrics.ts';

/** Calls of the runtime may take long. */
const OPERATION_BUCKETS = Array.from({ length: 14 }, (_, i) => Number((0.005 * 2.5 ** i).toPrecision(15)));

const PROBE_RESULTS = { success: 'successful', failure: 'failed', unknown: 'unknown' } as const;

/** One answer of one probe. */
export interface ProbeOutcome {
  readonly probe: string;
  readonly result: keyof typeof PROBE_RESULTS;
  readonly container: string;
  readonly pod: Pod;
  readonly seconds: number;
}

export class KubeletMetrics implements ReconcileObserver {
  /** For others who count what they do. */
  readonly registry = new MetricsRegistry();
  private readonly images = new ImageMetrics(this.registry);
  private readonly probes = new MetricsRegistry();
  private readonly starts: PodStartMetrics;
  private readonly operations = this.registry.counter(
    'kubelet_runtime_operations_total',
    '[ALPHA] Cumulative number of runtime operations by operation type.',
    ['operation_type'],
  );
  private readonly operationErrors = this.registry.counter(
    'kubelet_runtime_operations_errors_total',
    '[ALPHA] Cumulative number of runtime operation errors by operation type.',
    ['operation_type'],
  );
  private readonly operationSeconds = this.registry.histogram(
    'kubelet_runtime_operations_duration_seconds',
    '[ALPHA] Duration in seconds of runtime operations. Broken down by operation type.',
    ['operation_type'],
    OPERATION_BUCKETS,
  );
  private readonly startedPods = this.registry.counter(
    'kubelet_started_pods_total',
    '[ALPHA] Cumulative number of pods started',
  );
  private readonly startedPodErrors = this.registry.counter(
    'kubelet_started_pods_errors_total',
    '[ALPHA] Cumulative number of errors when starting pods',
  );
  private readonly workerSeconds = this.registry.histogram(
    'kubelet_pod_worker_duration_seconds',
    '[ALPHA] Duration in seconds to sync a single pod. Broken down by operation type: create, update, or sync',
    ['operation_type'],
  );
  private readonly relistSeconds = this.registry.histogram(
    'kubelet_pleg_relist_duration_seconds',
    '[ALPHA] Duration in seconds for relisting pods in PLEG.',
  );
  private readonly relistInterval = this.registry.histogram(
    'kubelet_pleg_relist_interval_seconds',
    '[ALPHA] Interval in seconds between relisting in PLEG.',
  );
  private readonly lastSeen = this.registry.gauge(
    'kubelet_pleg_last_seen_seconds',
    '[ALPHA] Timestamp in seconds when PLEG was last seen active.',
  );
  private readonly evictions = this.registry.counter(
    'kubelet_evictions',
    '[ALPHA] Cumulative number of pod evictions by eviction signal',
    ['eviction_signal'],
  );
  private readonly imagesRemoved = this.registry.counter(
    'kubelet_image_garbage_collected_total',
    '[ALPHA] Total number of images garbage collected by the kubelet, whether through disk usage or image age.',
    ['reason'],
  );
  private readonly probeTotal = this.probes.counter(
    'prober_probe_total',
    '[BETA] Cumulative number of a liveness, readiness or startup probe for a container by result.',
    ['probe_type', 'result', 'container', 'pod', 'namespace', 'pod_uid'],
  );
  private readonly probeSeconds = this.probes.histogram(
    'prober_probe_duration_seconds',
    '[ALPHA] Duration in seconds for a probe response.',
    ['probe_type', 'container', 'pod', 'namespace'],
  );
  private relistedAtMs: number | undefined;

  /**
   * @param startedAtMs when the kubelet began
   * @param views what the runtime holds, asked for when somebody scrapes
   */
  constructor(nodeName: string, startedAtMs: number, views: () => readonly PodView[]) {
    this.starts = new PodStartMetrics(this.registry, startedAtMs);
    this.registry
      .gauge('kubelet_node_name', "[ALPHA] The node's name. The count is always 1.", ['node'])
      .set(1, [nodeName]);
    const pods = this.registry.gauge('kubelet_running_pods', '[ALPHA] Number of pods that have a running pod sandbox');
    const containers = this.registry.gauge(
      'kubelet_running_containers',
      '[ALPHA] Number of containers currently running',
      ['container_state'],
    );
    this.registry.onScrape(() => {
      const all = views();
      pods.set(all.filter(({ sandboxes }) => sandboxes.some(sandbox => sandbox.ready)).length);
      const states = all.flatMap(view => view.containers.map(container => container.state));
      for (const state of ['created', 'exited', 'running', 'unknown'] as const)
        containers.set(states.filter(one => one === state).length, [state]);
    });
    processMetrics(this.registry);
  }

  /** Pods that are to run here, by where they come from, whenever somebody scrapes. */
  followPods(pods: () => readonly Pod[]): void {
    const gauge = (name: string, help: string) => this.registry.gauge(name, `[ALPHA] ${help}`, ['static']);
    const desired = gauge(
      'kubelet_desired_pods',
      'The number of pods the kubelet is being instructed to run. static is true if the pod is not from the apiserver.',
    );
    const active = gauge(
      'kubelet_active_pods',
      'The number of pods the kubelet considers active and which are being considered when admitting new pods. static is true if the pod is not from the apiserver.',
    );
    this.registry.onScrape(() => {
      const all = pods();
      for (const fromFile of [false, true]) {
        const some = all.filter(pod => isStaticPod(pod) === fromFile);
        const label = fromFile ? 'true' : '';
        desired.set(some.length, [label]);
        active.set(some.filter(({ status }) => !isTerminalPhase(status?.phase)).length, [label]);
      }
    });
  }

  render(): string {
    return this.registry.render();
  }

  renderProbes(): string {
    return this.probes.render();
  }

  /** A call of the runtime ended. @param method as CRI names it: `RunPodSandbox` */
  runtimeCall(method: string, seconds: number, failed: boolean): void {
    const labels = [operationType(method)];
    this.operations.inc(labels);
    this.operationSeconds.observe(seconds, labels);
    if (failed) this.operationErrors.inc(labels);
    if (method !== 'RunPodSandbox') return;
    this.startedPods.inc();
    if (failed) this.startedPodErrors.inc();
  }

  /** The runtime was asked for all that it holds. */
  relisted(startedAtMs: number, endedAtMs: number): void {
    this.relistSeconds.observe((endedAtMs - startedAtMs) / 1000);
    if (this.relistedAtMs !== undefined) this.relistInterval.observe((startedAtMs - this.relistedAtMs) / 1000);
    this.relistedAtMs = startedAtMs;
    this.lastSeen.set(endedAtMs / 1000);
  }

  /** @param signal what was short, or the kind of limit that was passed */
  evicted(signal: string): void {
    this.evictions.inc([signal]);
  }

  imageRemoved(reason: 'age' | 'space'): void {
    this.imagesRemoved.inc([reason]);
  }

  onReconciled(_name: string, _outcome: string, durationMs: number): void {
    this.workerSeconds.observe(durationMs / 1000, ['sync']);
  }

  podSeen(pod: Pod, nowMs: number): void {
    this.starts.podSeen(pod, nowMs);
  }

  /** @param view the newest; undefined when nothing of the pod is there */
  podChanged(uid: string, view: PodView | undefined, nowMs: number): void {
    this.starts.podChanged(uid, view, nowMs);
  }

  imagePulled(sizeBytes: number, seconds: number, podUid: string): void {
    this.images.imagePulled(sizeBytes, seconds);
    this.starts.imagePulled(podUid, seconds * 1000);
  }

  credentialProviderRan(name: string, seconds: number, failed: boolean): void {
    this.images.credentialProviderRan(name, seconds, failed);
  }

  podGone(pod: Pod): void {
    this.starts.podGone(uidOf(pod));
    this.probeTotal.forget(labels => labels[5] === uidOf(pod));
    const { name, namespace } = pod.metadata;
    this.probeSeconds.forget(labels => labels[2] === name && labels[3] === namespace);
  }

  probed({ probe, result, container, pod, seconds }: ProbeOutcome): void {
    const { name = '', namespace = '', uid = '' } = pod.metadata;
    const type = probe[0]?.toUpperCase() + probe.slice(1);
    this.probeTotal.inc([type, PROBE_RESULTS[result], container, name, namespace, uid]);
    this.probeSeconds.observe(seconds, [type, container, name, namespace]);
  }
}
