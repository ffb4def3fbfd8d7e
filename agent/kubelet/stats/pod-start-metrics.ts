/**
 * How long pods take to start, and what was started. Names and buckets are upstream's (`pkg/kubelet/metrics/metrics.go`,
 * `pkg/kubelet/util/pod_startup_latency_tracker.go` 1.36). A pod that was there when the kubelet started is not counted.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { Counter, Histogram, MetricsRegistry } from '../../../machinery/process/metrics.ts';
import { findContainer, isTerminalPhase, uidOf } from '../plan/pod-spec.ts';
import type { PodView } from '../plan/pod-view.ts';
import { containerType } from './plan/container-type.ts';

const BUCKETS = [
  0.5, 1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 45, 60, 120, 180, 240, 300, 360, 480, 600, 900, 1200, 1800, 2700, 3600,
];

interface Starting {
  readonly seenAtMs: number;
  readonly createdAtMs: number;
  /** Spent on images of this pod. */
  pulledMs: number;
  /** When its first container ran. */
  isRunning: boolean;
}

export class PodStartMetrics {
  private readonly pods = new Map<string, { readonly pod: Pod; readonly counted: Set<string> }>();
  private readonly starting = new Map<string, Starting>();
  private readonly sinceSeen: Histogram;
  private readonly total: Histogram;
  private readonly withoutPulls: Histogram;
  private readonly startedContainers: Counter;
  private readonly startedAtMs: number;

  /** @param startedAtMs when the kubelet began: what ran before was started by another */
  constructor(registry: MetricsRegistry, startedAtMs: number) {
    this.startedAtMs = startedAtMs;
    this.sinceSeen = registry.histogram(
      'kubelet_pod_start_duration_seconds',
      '[ALPHA] Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run',
      [],
      BUCKETS,
    );
    const measured =
      'measured from pod creation timestamp to when all its containers are reported as started and observed via watch';
    this.withoutPulls = registry.histogram(
      'kubelet_pod_start_sli_duration_seconds',
      `[ALPHA] Duration in seconds to start a pod, excluding time to pull images and run init containers, ${measured}`,
      [],
      BUCKETS,
    );
    this.total = registry.histogram(
      'kubelet_pod_start_total_duration_seconds',
      `[ALPHA] Duration in seconds to start a pod since creation, including time to pull images and run init containers, ${measured}`,
      [],
      BUCKETS,
    );
    this.startedContainers = registry.counter(
      'kubelet_started_containers_total',
      '[ALPHA] Cumulative number of containers started',
      ['container_type'],
    );
  }

  podSeen(pod: Pod, nowMs: number): void {
    const uid = uidOf(pod);
    this.pods.set(uid, { pod, counted: new Set() });
    if (pod.status?.startTime !== undefined || isTerminalPhase(pod.status?.phase)) return;
    const createdAtMs = Date.parse(pod.metadata.creationTimestamp ?? '') || nowMs;
    this.starting.set(uid, { seenAtMs: nowMs, createdAtMs, pulledMs: 0, isRunning: false });
  }

  podGone(uid: string): void {
    this.starting.delete(uid);
    this.pods.delete(uid);
  }

  imagePulled(uid: string, tookMs: number): void {
    const starting = this.starting.get(uid);
    if (starting !== undefined) starting.pulledMs += tookMs;
  }

  /** @param view the newest; undefined when nothing of the pod is there */
  podChanged(uid: string, view: PodView | undefined, nowMs: number): void {
    const known = this.pods.get(uid);
    if (known === undefined || view === undefined) return;
    for (const { id, name, startedAtMs } of view.containers) {
      if (startedAtMs < this.startedAtMs || known.counted.has(id)) continue;
      known.counted.add(id);
      this.startedContainers.inc([containerType(findContainer(known.pod, name)?.role)]);
    }
    this.countStart(uid, known.pod, view, nowMs);
  }

  private countStart(uid: string, pod: Pod, view: PodView, nowMs: number): void {
    const starting = this.starting.get(uid);
    if (starting === undefined) return;
    if (!starting.isRunning && view.containers.some(({ state }) => state === 'running')) {
      starting.isRunning = true;
      this.sinceSeen.observe((nowMs - starting.seenAtMs) / 1000);
    }
    const started = (name: string): boolean => view.containers.some(c => c.name === name && c.startedAtMs > 0);
    if (!pod.spec.containers.every(({ name }) => started(name))) return;
    this.starting.delete(uid);
    const tookMs = nowMs - starting.createdAtMs;
    this.total.observe(tookMs / 1000);
    const besidesMs = starting.pulledMs + initMs(pod, view);
    this.withoutPulls.observe(Math.max(0, tookMs - besidesMs) / 1000);
  }
}

/** How long init containers ran that end before the others start. */
function initMs(pod: Pod, view: PodView): number {
  const inits = view.containers.filter(({ name }) => findContainer(pod, name)?.role === 'init');
  return inits.reduce((sum, { startedAtMs, finishedAtMs }) => sum + Math.max(0, finishedAtMs - startedAtMs), 0);
}
