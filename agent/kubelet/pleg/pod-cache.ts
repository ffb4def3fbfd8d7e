/**
 * The newest view of every pod that the runtime holds, kept by events and told by the kubelet's own acts; a list of everything is
 * made only at a gap in the events.
 *
 * - What an event says is never believed: it makes the container's status be asked for. Of what the kubelet starts or stops just now
 *   (`during`), its own question afterwards is enough.
 * - An answer that is older than what is known (a list that began before a container was made) removes nothing.
 * - One container's hung status call delays nothing else.
 */
import type { Clock } from '../../../machinery/process/clock.ts';
import type { IpFamily } from '../../../machinery/meta/ip-number.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import { relistDelayMs } from '../plan/relist-delay.ts';
import type { ContainerView, PodView, SandboxView } from '../plan/pod-view.ts';
import type { ContainerEvent, GapEvent } from '../runtime/container-event.ts';
import { isNotFound } from '../runtime/runtime-error.ts';
import type { RuntimeService } from '../runtime/runtime-service.ts';
import { PodViews, type PodIdentity } from './pod-views.ts';
import { Relister } from './relister.ts';
import { readTerminationMessage } from './termination-message.ts';
import { stateOf, toContainerView, toSandboxView } from './to-view.ts';

export interface PodCacheOptions {
  readonly runtime: RuntimeService;
  readonly clock: Clock;
  readonly logger: Logger;
  /** That of pods' first addresses; default IPv4. */
  readonly primaryFamily?: IpFamily;
  /** Told of every list of everything. Times in milliseconds since the epoch. */
  readonly onRelist?: ((startedAtMs: number, endedAtMs: number) => void) | undefined;
}

/** The runtime's status lags behind its exit events by a few milliseconds. */
const EXIT_RECHECK_MS = [3, 5, 10, 20, 50, 100, 200, 500, 1000, 2000];
/** After those, this often: a runtime that is very busy takes long to hear of its own exits. */
const LATE_RECHECKS = 100;

export class PodCache {
  private readonly options: PodCacheOptions;
  private readonly pods = new PodViews();
  private readonly relister: Relister;
  private readonly refreshing = new Map<string, { readonly untilExited: boolean; readonly done: Promise<void> }>();
  /** Ids that `during` holds; `missed` is the event that was not heard meanwhile. */
  private readonly acting = new Map<string, { readonly act: 'start' | 'stop'; missed: ContainerEvent | undefined }>();
  private readonly synced: Promise<void>;
  private markSynced: () => void = () => {};
  private readonly oomKilled = new Set<string>();
  /** Containers whose exit was told: whatever their status says until it shows that is old. */
  private readonly ended = new Set<string>();
  private changedAtMs: number;
  private listedAtMs: number;

  constructor(options: PodCacheOptions) {
    this.options = options;
    this.synced = new Promise(resolve => (this.markSynced = resolve));
    this.changedAtMs = options.clock.monotonicMs();
    this.listedAtMs = options.clock.monotonicMs();
    this.pods.onChange(() => (this.changedAtMs = options.clock.monotonicMs()));
    this.relister = new Relister({
      ...options,
      views: this.pods,
      readSandbox: id => this.refreshSandbox(id),
      readContainer: async (id, sandboxId) => {
        const view = await this.fetchContainer(id);
        if (view !== undefined) this.pods.putContainer({ ...view, sandboxId });
        else this.drop(id);
      },
      drop: id => this.drop(id),
      onRelist: (startedAtMs, endedAtMs) => {
        options.onRelist?.(startedAtMs, endedAtMs);
        this.listedAtMs = options.clock.monotonicMs();
        this.markSynced();
      },
    });
  }

  /** Resolves after the first list. */
  ready(): Promise<void> {
    return this.synced;
  }

  /** Resolves once all that was listed of the pod is known; soon, unless the runtime hangs on it. */
  settled(uid: string): Promise<void> {
    return this.relister.settled(uid);
  }

  /** Called with a pod's UID after each change of its view. Must not throw. */
  onChange(listener: (uid: string) => void): () => void {
    return this.pods.onChange(listener);
  }

  view(uid: string): PodView | undefined {
    return this.pods.view(uid);
  }

  /** Of everything that the runtime holds. */
  views(): PodView[] {
    return this.pods.views();
  }

  /** Milliseconds since the runtime last said what it holds, or since the start. */
  silentMs(): number {
    return this.options.clock.monotonicMs() - this.listedAtMs;
  }

  /** Where no events come: how long to wait for the next list. @param expectsEnds some container is to end by itself, soon perhaps */
  relistDelayMs(expectsEnds: boolean): number {
    return relistDelayMs(this.options.clock.monotonicMs() - this.changedAtMs, expectsEnds);
  }

  /** Takes the runtime's events, in order. */
  handle(event: ContainerEvent | GapEvent): void {
    if (event.kind === 'gap') return void this.relist();
    const { containerId } = event;
    if (!this.pods.knows(containerId)) return;
    if (event.kind === 'exited') this.ended.add(containerId);
    const acting = this.acting.get(containerId);
    if (acting?.act === (event.kind === 'started' ? 'start' : 'stop') && event.kind !== 'oom') {
      acting.missed = event;
      return;
    }
    if (this.pods.sandbox(containerId) !== undefined) {
      if (event.kind === 'exited') void this.recheckSandbox(containerId);
      return;
    }
    const known = this.pods.container(containerId);
    switch (event.kind) {
      case 'oom':
        this.oomKilled.add(containerId);
        return;
      case 'started':
        if (known?.state !== 'created') return;
        break;
      case 'deleted':
      case 'exited':
        if (known?.state === 'exited') return;
    }
    this.refreshContainer(containerId, event.kind === 'exited').catch((error: unknown) => {
      this.options.logger.warn({ err: error, containerId }, 'Cannot read the status of a container after its event');
    });
  }

  /**
   * Runs `act`, which starts or stops that container or sandbox: the events of it are heard only if the act fails, since whoever acts
   * asks for the outcome. A container that ends while it is started is heard as ever.
   */
  async during<T>(id: string, kind: 'start' | 'stop', act: () => Promise<T>): Promise<T> {
    const acting = { act: kind, missed: undefined as ContainerEvent | undefined };
    this.acting.set(id, acting);
    const end = (): void => {
      if (this.acting.get(id) === acting) this.acting.delete(id);
    };
    try {
      const result = await act();
      end();
      return result;
    } catch (error) {
      end();
      if (acting.missed !== undefined) this.handle(acting.missed);
      throw error;
    }
  }

  /** A sandbox was made just now. */
  async addSandbox(identity: PodIdentity, sandboxId: string): Promise<SandboxView> {
    this.pods.own(identity, sandboxId);
    return this.refreshSandbox(sandboxId);
  }

  /** A container was made just now; its status follows when it starts. */
  addContainer(identity: PodIdentity, container: ContainerView): void {
    this.pods.own(identity, container.id);
    this.pods.putContainer(container);
  }

  /** What this container is now; undefined if it is gone. */
  container(containerId: string): ContainerView | undefined {
    return this.pods.container(containerId);
  }

  /**
   * Asks for one container's status. @param untilExited it is known to have exited: ask again until the runtime knows too
   * @throws RuntimeError
   */
  refreshContainer(containerId: string, untilExited = false): Promise<void> {
    const running = this.refreshing.get(containerId);
    if (running !== undefined && (running.untilExited || !untilExited)) return running.done;
    const refresh = {
      untilExited,
      done: this.readContainer(containerId, untilExited).finally(() => {
        if (this.refreshing.get(containerId) === refresh) this.refreshing.delete(containerId);
      }),
    };
    this.refreshing.set(containerId, refresh);
    return refresh.done;
  }

  private async readContainer(containerId: string, untilExited: boolean): Promise<void> {
    for (let turn = 0; ; turn++) {
      const view = await this.fetchContainer(containerId);
      if (view === undefined) return this.drop(containerId);
      // One that ends at once may even count as created still when its exit is told.
      const isOld = this.ended.has(containerId) ? view.state !== 'exited' : untilExited && view.state === 'running';
      const recheckMs = turn < LATE_RECHECKS ? (EXIT_RECHECK_MS[turn] ?? EXIT_RECHECK_MS.at(-1)) : undefined;
      if (!isOld || recheckMs === undefined) return this.pods.putContainer(view);
      await this.options.clock.sleep(recheckMs);
    }
  }

  private async fetchContainer(containerId: string): Promise<ContainerView | undefined> {
    try {
      const { status } = await this.options.runtime.containerStatus(containerId);
      if (status === undefined || !this.pods.knows(containerId)) return undefined;
      const known = this.pods.container(containerId);
      const exited = stateOf(status.state) === 'exited';
      const message = exited ? await readTerminationMessage(status.annotations, status.logPath, status.exitCode) : '';
      const view = toContainerView(status, known?.sandboxId ?? '', message);
      return exited && this.oomKilled.has(containerId) && view.exitCode !== 0 ? { ...view, reason: 'OOMKilled' } : view;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** Its pause container ended, and nobody here asked for that. */
  private async recheckSandbox(sandboxId: string): Promise<void> {
    try {
      for (const recheckMs of EXIT_RECHECK_MS) {
        if (!(await this.refreshSandbox(sandboxId)).ready) return;
        await this.options.clock.sleep(recheckMs);
      }
    } catch (error) {
      if (isNotFound(error)) this.drop(sandboxId);
      else this.options.logger.warn({ err: error, sandboxId }, 'Cannot read the status of a sandbox after its event');
    }
  }

  /** @throws RuntimeError */
  async refreshSandbox(sandboxId: string): Promise<SandboxView> {
    const { status } = await this.options.runtime.podSandboxStatus(sandboxId);
    if (status === undefined) throw new Error(`the runtime gave no status of sandbox ${sandboxId}`);
    const view = toSandboxView(status, this.options.primaryFamily ?? 'IPv4');
    this.pods.putSandbox(view);
    return view;
  }

  /** A sandbox is stopped, as its stop call said. */
  sandboxStopped(sandboxId: string): void {
    const sandbox = this.pods.sandbox(sandboxId);
    if (sandbox !== undefined) this.pods.putSandbox({ ...sandbox, ready: false, ips: [] });
  }

  /** A container or sandbox was removed. */
  drop(id: string): void {
    this.pods.drop(id);
    this.oomKilled.delete(id);
    this.ended.delete(id);
  }

  /** Lists everything; calls that come meanwhile share one more list. Never rejects: it tries until the runtime answers. */
  relist(): Promise<void> {
    return this.relister.all();
  }

  /** Lists one pod's sandboxes and containers: for acts that were given up half-way. @throws RuntimeError */
  relistPod(uid: string): Promise<void> {
    return this.relister.pod(uid);
  }
}
