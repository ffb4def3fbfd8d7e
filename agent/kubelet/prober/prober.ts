/**
 * Probes the running containers of this node and remembers what came of it.
 *
 * - A container's probes end with it: answers are kept by container id, so a restart begins anew.
 * - Until the startup probe has passed, neither liveness nor readiness is asked.
 * - A change of an answer wakes the pod's worker at once. A probe that hangs delays its own container alone.
 */
import type { Container, Pod, Probe } from '../../../proto/api/core-v1.ts';
import type { EventSink } from '../../../machinery/client/event-recorder.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { ProbeFailure } from '../plan/pod-actions.ts';
import { findContainer, uidOf } from '../plan/pod-spec.ts';
import type { ContainerView, PodView } from '../plan/pod-view.ts';
import {
  INITIAL_PROBE_STATE,
  nextProbeState,
  probeOf,
  probeTimes,
  type ProbeKind,
  type ProbeState,
} from '../plan/probe-state.ts';
import { containerSubject } from '../pods/container-subject.ts';
import type { ProbeOutcome } from '../stats/kubelet-metrics.ts';
import type { ProbeRunner } from './probe-runner.ts';

export interface ProberOptions {
  readonly runner: ProbeRunner;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly recorder: EventSink;
  readonly hostIP: string;
  /** In [0, 1): spreads the probes of pods that were adopted together. */
  readonly random: () => number;
  /** An answer changed. */
  readonly wake: (podUid: string) => void;
  /** Told of every answer; for metrics. */
  readonly onProbed?: ((outcome: ProbeOutcome) => void) | undefined;
}

interface Worker {
  readonly kind: ProbeKind;
  readonly probe: Probe;
  state: ProbeState;
  cancel: () => void;
}

interface Target {
  pod: Pod;
  podIP: string;
  readonly container: Container;
  readonly id: string;
  readonly abort: AbortController;
  readonly workers: Map<ProbeKind, Worker>;
  readonly startedAtMs: number;
  failure: ProbeFailure | undefined;
  stopping: boolean;
}

const KINDS: readonly ProbeKind[] = ['startup', 'liveness', 'readiness'];

export class Prober {
  private readonly options: ProberOptions;
  /** By container id. */
  private readonly targets = new Map<string, Target>();
  private readonly byPod = new Map<string, Set<string>>();

  constructor(options: ProberOptions) {
    this.options = options;
  }

  /** Probes what runs of the pod, and nothing else of it. Cheap when nothing changed. */
  sync(pod: Pod, view: PodView | undefined): void {
    const uid = uidOf(pod);
    const running = new Set<string>();
    const podIP = pod.spec.hostNetwork === true ? this.options.hostIP : (view?.sandboxes[0]?.ips[0] ?? '');
    for (const container of view?.containers ?? []) {
      if (container.state !== 'running') continue;
      const spec = findContainer(pod, container.name)?.container;
      if (spec === undefined || KINDS.every(kind => probeOf(spec, kind) === undefined)) continue;
      running.add(container.id);
      const known = this.targets.get(container.id);
      if (known === undefined) this.begin(pod, spec, container, podIP);
      else {
        known.pod = pod;
        known.podIP = podIP;
      }
    }
    for (const id of this.byPod.get(uid) ?? []) if (!running.has(id)) this.end(uid, id);
  }

  /** The pod is being stopped: it is still asked whether it is ready, but nothing restarts it. */
  stopping(podUid: string): void {
    for (const id of this.byPod.get(podUid) ?? []) {
      const target = this.targets.get(id);
      if (target === undefined || target.stopping) continue;
      target.stopping = true;
      for (const worker of target.workers.values()) if (worker.kind !== 'readiness') worker.cancel();
    }
  }

  /** Ends all probes of the pod. */
  remove(podUid: string): void {
    for (const id of [...(this.byPod.get(podUid) ?? [])]) this.end(podUid, id);
  }

  /** Whether the container may get traffic, and whether it has started. */
  answers(container: ContainerView): { ready: boolean; started: boolean } {
    const target = this.targets.get(container.id);
    if (target === undefined) return { ready: container.state === 'running', started: container.state === 'running' };
    const started = passed(target, 'startup');
    return { started, ready: started && passed(target, 'readiness') };
  }

  /** Containers of the pod that a probe wants killed, by id. */
  failures(podUid: string): Map<string, ProbeFailure> {
    const failures = new Map<string, ProbeFailure>();
    for (const id of this.byPod.get(podUid) ?? []) {
      const failure = this.targets.get(id)?.failure;
      if (failure !== undefined) failures.set(id, failure);
    }
    return failures;
  }

  stop(): void {
    for (const uid of [...this.byPod.keys()]) this.remove(uid);
  }

  private begin(pod: Pod, container: Container, view: ContainerView, podIP: string): void {
    const uid = uidOf(pod);
    const target: Target = {
      pod,
      podIP,
      container,
      id: view.id,
      abort: new AbortController(),
      workers: new Map(),
      startedAtMs: view.startedAtMs,
      failure: undefined,
      stopping: false,
    };
    this.targets.set(view.id, target);
    const ids = this.byPod.get(uid) ?? new Set();
    this.byPod.set(uid, ids.add(view.id));
    const older = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])].find(
      status => status.containerID?.endsWith(`://${view.id}`) === true,
    );
    for (const kind of KINDS) {
      const probe = probeOf(container, kind);
      if (probe === undefined) continue;
      // An adopted container keeps its answer until a probe says otherwise.
      const adopted =
        (kind === 'readiness' && older?.ready === true) || (kind === 'startup' && older?.started === true);
      const state: ProbeState = adopted ? { answer: 'success', last: 'success', run: 1 } : INITIAL_PROBE_STATE;
      const worker: Worker = { kind, probe, state, cancel: () => {} };
      target.workers.set(kind, worker);
      if (kind === 'startup' && adopted) continue;
      const jitterMs = adopted ? this.options.random() * probeTimes(probe).periodMs : 0;
      this.schedule(target, worker, this.initialDelayMs(target, worker) + jitterMs);
    }
  }

  private end(podUid: string, id: string): void {
    const target = this.targets.get(id);
    this.targets.delete(id);
    const ids = this.byPod.get(podUid);
    ids?.delete(id);
    if (ids?.size === 0) this.byPod.delete(podUid);
    if (target === undefined) return;
    for (const worker of target.workers.values()) worker.cancel();
    target.abort.abort();
  }

  /** What is left of it: it counts from the container's start, also when a startup probe held the others back. */
  private initialDelayMs(target: Target, { probe }: Worker): number {
    return Math.max(0, probeTimes(probe).initialDelayMs - (this.options.clock.now() - target.startedAtMs));
  }

  private schedule(target: Target, worker: Worker, delayMs: number): void {
    worker.cancel = this.options.clock.after(delayMs, () => {
      this.tryOnce(target, worker).catch((error: unknown) => {
        if (!target.abort.signal.aborted) this.options.logger.error({ err: error }, 'Probe worker failed');
      });
    });
  }

  private async tryOnce(target: Target, worker: Worker): Promise<void> {
    const { clock, runner } = this.options;
    const { signal } = target.abort;
    const { periodMs, timeoutMs } = probeTimes(worker.probe);
    // Woken again when startup passes.
    if (worker.kind !== 'startup' && !passed(target, 'startup')) return;
    const beganMs = clock.monotonicMs();
    const result = await runner.run(worker.probe, target.container, target.id, target.podIP, timeoutMs, signal);
    if (signal.aborted || (target.stopping && worker.kind !== 'readiness')) return;
    this.options.onProbed?.({
      probe: worker.kind,
      result: result.kind,
      container: target.container.name,
      pod: target.pod,
      seconds: (clock.monotonicMs() - beganMs) / 1000,
    });
    if (result.isWarning === true) this.tell(target, worker, 'ProbeWarning', `warning: ${result.output}`);
    const more = result.kind === 'unknown' || this.take(target, worker, result.kind, result.output);
    if (more) this.schedule(target, worker, Math.max(0, periodMs - (clock.monotonicMs() - beganMs)));
  }

  /** @returns whether the probe goes on */
  private take(target: Target, worker: Worker, result: 'success' | 'failure', output: string): boolean {
    const before = worker.state.answer;
    worker.state = nextProbeState(worker.state, result, worker.probe);
    const { answer } = worker.state;
    if (result === 'failure') this.tell(target, worker, 'Unhealthy', `failed: ${output}`);
    if (answer === before) return true;
    const { kind } = worker;
    if (kind !== 'readiness' && answer === 'failure') {
      const grace = worker.probe.terminationGracePeriodSeconds;
      target.failure = { probe: kind, message: output, ...(grace === undefined ? {} : { graceSeconds: grace }) };
      this.options.wake(uidOf(target.pod));
      return false;
    }
    this.options.wake(uidOf(target.pod));
    if (kind !== 'startup') return true;
    for (const other of target.workers.values()) {
      if (other.kind === 'startup') continue;
      other.cancel();
      this.schedule(target, other, this.initialDelayMs(target, other));
    }
    return false;
  }

  private tell(target: Target, worker: Worker, reason: string, what: string): void {
    const subject = containerSubject(target.pod, target.container.name);
    const kind = `${worker.kind.charAt(0).toUpperCase()}${worker.kind.slice(1)}`;
    this.options.recorder.event(subject, 'Warning', reason, `${kind} probe ${what}`);
  }
}

function passed(target: Target, kind: ProbeKind): boolean {
  const worker = target.workers.get(kind);
  return worker === undefined || worker.state.answer === 'success';
}
