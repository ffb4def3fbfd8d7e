/**
 * What must be done now so that the runtime holds what a pod's spec asks for. Pure: same pod, same view, same actions.
 *
 * - Only containers of the newest ready sandbox count as there; older ones give restart counts and last states.
 * - Init containers run one after the other; a sidecar counts as done once it has started.
 * - A container that was created and never started is removed, and its attempt number used again.
 * Source: kubernetes 1.36 `pkg/kubelet/kuberuntime/kuberuntime_manager.go`, computePodActions.
 */
import type { Container, Pod } from '../../../proto/api/core-v1.ts';
import {
  resizeRestarts,
  resourcesToApply,
  sameApplied,
  type AppliedResources,
} from '../allocations/plan/applied-resources.ts';
import { containerHash } from './container-hash.ts';
import { allContainers, asContainer, findContainer, isSidecar, roleOfInit, type ContainerRole } from './pod-spec.ts';
import { newestContainer, type ContainerView, type PodView, type SandboxView } from './pod-view.ts';
import { backoffOf, decideRestart, endsAll, newLifeAtMs, wantsRestart, type RestartBackoff } from './restart.ts';

/** A container to make and start. */
export interface ContainerStart {
  readonly container: Container;
  readonly role: ContainerRole;
  readonly attempt: number;
  /** Delay that this attempt's own end will be followed by; 0: its first restart is at once. */
  readonly nextBackoffMs: number;
  /** Id of the newest attempt before it. */
  readonly replaces: string | undefined;
}

/** A running container to stop before anything is started. */
export interface ContainerKill {
  readonly container: ContainerView;
  readonly spec: Container | undefined;
  /** For the event. */
  readonly message: string;
  readonly cause: 'probe' | 'changed' | 'resized' | 'unknown' | 'unwanted' | 'restartAll';
  /** Of the probe that asked for it. */
  readonly graceSeconds?: number;
}

/** A running container to be given other resources as it is. */
export interface ContainerUpdate {
  readonly container: ContainerView;
  readonly from: AppliedResources;
  readonly to: AppliedResources;
}

/** A container that waits for its back-off. */
export interface ContainerWait {
  readonly container: Container;
  readonly untilMs: number;
  readonly backoffMs: number;
}

export interface PodActions {
  /** Sandboxes to stop, with everything in them, before anything else. */
  readonly stopSandboxes: readonly string[];
  /** Nothing of the pod will ever run again: stop all. */
  readonly finished: boolean;
  /** Make a sandbox with this attempt number; undefined: use `sandbox`. */
  readonly createSandbox: number | undefined;
  /** The sandbox to run in, if it is there. */
  readonly sandbox: SandboxView | undefined;
  readonly kill: readonly ContainerKill[];
  readonly update: readonly ContainerUpdate[];
  /** Containers that never started, to be removed. */
  readonly remove: readonly ContainerView[];
  /** In this order. */
  readonly start: readonly ContainerStart[];
  readonly waiting: readonly ContainerWait[];
}

/** What a probe said about a running container. */
export interface ProbeFailure {
  readonly probe: 'liveness' | 'startup';
  readonly message: string;
  readonly graceSeconds?: number;
}

export interface PodActionsInput {
  readonly pod: Pod;
  readonly view: PodView | undefined;
  readonly nowMs: number;
  /** By container id. */
  readonly probeFailures: ReadonlyMap<string, ProbeFailure>;
  /** Ids of containers whose startup probe has passed or that have none. */
  readonly isStarted: (container: ContainerView) => boolean;
  readonly backoff?: RestartBackoff;
  /** What a running container was given; undefined if nobody knows. */
  readonly applied?: (container: ContainerView) => AppliedResources | undefined;
  /** Ids of containers that were stopped to be made anew: whatever their policy says, and without back-off. */
  readonly replacing?: ReadonlySet<string>;
}

export function computePodActions(input: PodActionsInput): PodActions {
  const { pod, view } = input;
  const sandboxes = view?.sandboxes ?? [];
  const newest = sandboxes[0];
  const usable = newest !== undefined && newest.ready && (pod.spec.hostNetwork === true || newest.ips.length > 0);
  const planner = new Planner(input, usable ? newest : undefined);
  if (usable) {
    planner.planContainers();
    const old = sandboxes.slice(1).filter(sandbox => sandbox.ready);
    return planner.result(
      old.map(sandbox => sandbox.id),
      undefined,
    );
  }
  const stop = sandboxes.filter(sandbox => sandbox.ready || hasRunning(view, sandbox.id)).map(sandbox => sandbox.id);
  if (!planner.anythingToRun()) return planner.finishedResult(stop);
  planner.planFirst();
  return planner.result(stop, newest === undefined ? 0 : newest.attempt + 1);
}

/** A container that runs in a dead sandbox dies with it; policy Never does not bring it back. */
function exitCodeWithoutSandbox({ state, exitCode }: ContainerView): number {
  return state === 'exited' ? exitCode : 137;
}

function hasRunning(view: PodView | undefined, sandboxId: string): boolean {
  return (view?.containers ?? []).some(c => c.sandboxId === sandboxId && c.state === 'running');
}

class Planner {
  private readonly kill: ContainerKill[] = [];
  private readonly update: ContainerUpdate[] = [];
  private readonly remove: ContainerView[] = [];
  private readonly start: ContainerStart[] = [];
  private readonly waiting: ContainerWait[] = [];
  private kept = 0;
  private readonly input: PodActionsInput;
  private readonly sandbox: SandboxView | undefined;
  /** When a container ended whose rules then restart all: what was made before is of an earlier life. */
  private readonly bornAfterMs: number;

  constructor(input: PodActionsInput, sandbox: SandboxView | undefined) {
    this.input = input;
    this.sandbox = sandbox;
    this.bornAfterMs = newLifeAtMs(input.pod, input.view);
  }

  result(stopSandboxes: readonly string[], createSandbox: number | undefined): PodActions {
    const { kill, update, remove, start, waiting, sandbox } = this;
    const finished = createSandbox === undefined && this.kept === 0 && start.length === 0 && waiting.length === 0;
    return { stopSandboxes, finished, createSandbox, sandbox, kill, update, remove, start, waiting };
  }

  finishedResult(stopSandboxes: readonly string[]): PodActions {
    const nothing = { kill: [], update: [], remove: [], start: [], waiting: [] };
    return { ...nothing, stopSandboxes, finished: true, createSandbox: undefined, sandbox: undefined };
  }

  /** Whether a new sandbox would have anything to run: false once every main container ended and stays so. */
  anythingToRun(): boolean {
    const { pod, view } = this.input;
    const failedInit = (pod.spec.initContainers ?? []).some(container => {
      const last = newestContainer(view, container.name);
      if (last === undefined || last.state === 'created' || this.isOfEarlierLife(last)) return false;
      const exitCode = exitCodeWithoutSandbox(last);
      return exitCode !== 0 && !wantsRestart(pod, container, roleOfInit(container), exitCode);
    });
    if (failedInit) return false;
    return pod.spec.containers.some(container => {
      const last = newestContainer(view, container.name);
      if (last === undefined || last.state === 'created' || this.isOfEarlierLife(last)) return true;
      return wantsRestart(pod, container, 'main', exitCodeWithoutSandbox(last));
    });
  }

  /** In a sandbox that is yet to be made: the first init container, or all main ones. */
  planFirst(): void {
    const { pod, view } = this.input;
    const firstInit = pod.spec.initContainers?.[0];
    if (firstInit !== undefined) return this.planStart(firstInit, roleOfInit(firstInit));
    for (const container of pod.spec.containers) {
      const last = newestContainer(view, container.name);
      const ended = last?.state === 'exited' && !this.isOfEarlierLife(last);
      const over = ended && !wantsRestart(pod, container, 'main', last.exitCode);
      if (!over) this.planStart(container, 'main');
    }
  }

  planContainers(): void {
    const { pod } = this.input;
    if (this.planEndOfLife()) return;
    for (const ephemeral of pod.spec.ephemeralContainers ?? []) {
      const view = this.current(ephemeral.name);
      if (view === undefined) this.planStart(asContainer(ephemeral), 'ephemeral');
    }
    const initialized = pod.spec.containers.some(c => (this.current(c.name)?.state ?? 'created') !== 'created');
    if (!this.planInit(initialized)) return this.planUnwanted();
    let mainKept = 0;
    for (const container of pod.spec.containers) mainKept += this.planContainer(container, 'main') ? 1 : 0;
    // Sidecars alone keep no pod alive.
    if (mainKept === 0) {
      this.kept = 0;
      this.start.length = 0;
      this.waiting.length = 0;
    }
    this.planUnwanted();
  }

  /** All that is left of an earlier life ends before a new one begins. @returns whether something still runs of it */
  private planEndOfLife(): boolean {
    for (const container of this.input.view?.containers ?? []) {
      if (container.state !== 'running' || !this.isOfEarlierLife(container)) continue;
      const spec = findContainer(this.input.pod, container.name)?.container;
      const message = `Container ${container.name} will be restarted with all containers of its pod`;
      this.kill.push({ container, spec, message, cause: 'restartAll' });
      this.kept++;
    }
    return this.kill.length > 0;
  }

  /** Containers that run and that the spec does not (or no longer) name. */
  private planUnwanted(): void {
    const names = new Set(allContainers(this.input.pod).map(({ container }) => container.name));
    for (const container of this.input.view?.containers ?? []) {
      if (container.state !== 'running' || names.has(container.name)) continue;
      this.kill.push({
        container,
        spec: undefined,
        message: `Container ${container.name} is not in the pod's spec`,
        cause: 'unwanted',
      });
    }
  }

  /** @returns whether main containers may run */
  private planInit(initialized: boolean): boolean {
    const { pod, isStarted } = this.input;
    const list = pod.spec.initContainers ?? [];
    const reached = list.findLastIndex(container => this.current(container.name) !== undefined);
    for (const [index, container] of list.entries()) {
      const view = this.current(container.name);
      if (isSidecar(container)) {
        this.planContainer(container, 'sidecar');
        const up = view?.state === 'running' && isStarted(view);
        // One that crashes after its turn holds nobody up.
        if (!initialized && !up && index >= reached) return false;
        continue;
      }
      if (initialized || (view?.state === 'exited' && view.exitCode === 0)) continue;
      this.planContainer(container, 'init');
      return false;
    }
    return true;
  }

  /** @returns whether the container runs or will run again */
  private planContainer(container: Container, role: ContainerRole): boolean {
    const { pod, nowMs } = this.input;
    const view = this.current(container.name) ?? this.lastOfLife(container);
    if (view === undefined || view.state === 'created') {
      this.planStart(container, role);
      return true;
    }
    if (view.state === 'running') return this.planRunning(container, role, view);
    if (view.state === 'unknown') {
      this.kill.push({
        container: view,
        spec: container,
        message: `Container ${container.name} is in unknown state, try killing it before restart`,
        cause: 'unknown',
      });
      if (!wantsRestart(pod, container, role, 137)) return false;
      this.planStart(container, role);
      return true;
    }
    if (this.input.replacing?.has(view.id) === true) {
      this.planStart(container, role, backoffOf(view));
      return true;
    }
    const decision = decideRestart(pod, container, role, view, nowMs, this.input.backoff);
    switch (decision.kind) {
      case 'leave':
        return false;
      case 'wait':
        this.waiting.push({ container, untilMs: decision.untilMs, backoffMs: decision.backoffMs });
        return true;
      case 'start':
        this.planStart(container, role, decision.nextBackoffMs);
        return true;
    }
  }

  private planRunning(container: Container, role: ContainerRole, view: ContainerView): boolean {
    const { pod, probeFailures } = this.input;
    const failure = probeFailures.get(view.id);
    const changed = view.hash !== '' && view.hash !== containerHash(container);
    if (failure === undefined && (!changed || role === 'init')) {
      this.kept++;
      if (role === 'main' || role === 'sidecar') this.planResize(container, view);
      return true;
    }
    if (changed) {
      this.kill.push({
        container: view,
        spec: container,
        message: `Container ${container.name} definition changed, will be restarted`,
        cause: 'changed',
      });
    } else if (failure !== undefined) {
      const restarts = wantsRestart(pod, container, role, 137);
      const message = `Container ${container.name} failed ${failure.probe} probe${restarts ? ', will be restarted' : ''}`;
      const grace = failure.graceSeconds === undefined ? {} : { graceSeconds: failure.graceSeconds };
      this.kill.push({ container: view, spec: container, message, cause: 'probe', ...grace });
    }
    // What comes next depends on how it ends: its exit brings the worker back here.
    this.kept++;
    return true;
  }

  private planResize(container: Container, view: ContainerView): void {
    const from = this.input.applied?.(view);
    const to = resourcesToApply(this.input.pod, container);
    if (from === undefined || sameApplied(from, to)) return;
    if (!resizeRestarts(container, from, to)) {
      this.update.push({ container: view, from, to });
      return;
    }
    const message = `Container ${container.name} resize requires restart`;
    this.kill.push({ container: view, spec: container, message, cause: 'resized' });
  }

  private planStart(container: Container, role: ContainerRole, nextBackoffMs = 0): void {
    const { pod, view } = this.input;
    const last = newestContainer(view, container.name);
    let attempt = 0;
    if (last !== undefined) {
      const unused = last.state === 'created';
      attempt = unused ? last.attempt : last.attempt + 1;
      if (unused) this.remove.push(last);
    } else {
      attempt = attemptFromStatus(pod, container.name);
    }
    this.start.push({ container, role, attempt, nextBackoffMs, replaces: last?.id });
  }

  /** The newest attempt in the sandbox in use. */
  private current(name: string): ContainerView | undefined {
    const newest = newestContainer(this.input.view, name);
    const isCurrent = newest?.sandboxId === this.sandbox?.id && !this.isOfEarlierLife(newest);
    return isCurrent ? newest : undefined;
  }

  private isOfEarlierLife(view: ContainerView | undefined): boolean {
    return view !== undefined && view.createdAtMs <= this.bornAfterMs;
  }

  /** The attempt that ended the life before: its own restart waits for its back-off as ever. */
  private lastOfLife(container: Container): ContainerView | undefined {
    const newest = newestContainer(this.input.view, container.name);
    if (newest?.state !== 'exited' || !this.isOfEarlierLife(newest)) return undefined;
    return endsAll(container, newest.exitCode) ? newest : undefined;
  }
}

/** The runtime forgot the container (its state was wiped): count on from what the API remembers. */
function attemptFromStatus(pod: Pod, name: string): number {
  const { containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
  const status = [...containerStatuses, ...initContainerStatuses].find(s => s.name === name);
  const ran = status?.containerID !== undefined && status.containerID !== '';
  return ran ? status.restartCount + 1 : 0;
}
