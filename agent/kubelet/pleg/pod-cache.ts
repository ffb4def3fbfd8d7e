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
import type { Logger } from '../../../machinery/process/logger.ts';
import type { ContainerView, PodView, SandboxView } from '../plan/pod-view.ts';
import type { ContainerEvent, GapEvent } from '../runtime/container-event.ts';
import { isNotFound } from '../runtime/runtime-error.ts';
import type { RuntimeService } from '../runtime/runtime-service.ts';
import { readTerminationMessage } from './termination-message.ts';
import { isReady, podIdentity, stateOf, toContainerView, toSandboxView } from './to-view.ts';

/** Names a pod. */
export interface PodIdentity {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
}

export interface PodCacheOptions {
  readonly runtime: RuntimeService;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told of every list of everything. Times in milliseconds since the epoch. */
  readonly onRelist?: ((startedAtMs: number, endedAtMs: number) => void) | undefined;
}

interface Entry {
  readonly identity: PodIdentity;
  readonly sandboxes: Map<string, SandboxView>;
  readonly containers: Map<string, ContainerView>;
  view: PodView | undefined;
}

/** The runtime's status lags behind its exit events by a few milliseconds. */
const EXIT_RECHECK_MS = [3, 5, 10, 20, 50, 100, 200, 500, 1000, 2000];
/** After those, this often: a runtime that is very busy takes long to hear of its own exits. */
const LATE_RECHECKS = 100;
const RELIST_RETRY_MS = 1000;
const STATUS_CALLS_AT_ONCE = 8;

export class PodCache {
  private readonly options: PodCacheOptions;
  private readonly entries = new Map<string, Entry>();
  /** Container or sandbox id -> pod UID, and when (in `sequence`) it came. */
  private readonly owners = new Map<string, { uid: string; since: number }>();
  private readonly listeners = new Set<(uid: string) => void>();
  private readonly refreshing = new Map<string, { readonly untilExited: boolean; readonly done: Promise<void> }>();
  /** Ids that `during` holds; `missed` is the event that was not heard meanwhile. */
  private readonly acting = new Map<string, { readonly act: 'start' | 'stop'; missed: ContainerEvent | undefined }>();
  private readonly synced: Promise<void>;
  private markSynced: () => void = () => {};
  private readonly oomKilled = new Set<string>();
  /** Containers whose exit was told: whatever their status says until it shows that is old. */
  private readonly ended = new Set<string>();
  private relisting: Promise<void> | undefined;
  private relistAgain = false;
  private sequence = 0;

  constructor(options: PodCacheOptions) {
    this.options = options;
    this.synced = new Promise(resolve => (this.markSynced = resolve));
  }

  /** Resolves after the first list. */
  ready(): Promise<void> {
    return this.synced;
  }

  /** Called with a pod's UID after each change of its view. Must not throw. */
  onChange(listener: (uid: string) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  view(uid: string): PodView | undefined {
    const entry = this.entries.get(uid);
    if (entry === undefined) return undefined;
    return (entry.view ??= viewOf(entry));
  }

  /** Of everything that the runtime holds. */
  views(): PodView[] {
    return [...this.entries.keys()].flatMap(uid => this.view(uid) ?? []);
  }

  /** Takes the runtime's events, in order. */
  handle(event: ContainerEvent | GapEvent): void {
    if (event.kind === 'gap') return void this.relist();
    const { containerId } = event;
    const owner = this.owners.get(containerId);
    if (owner === undefined) return;
    const entry = this.entries.get(owner.uid);
    if (entry === undefined) return;
    if (event.kind === 'exited') this.ended.add(containerId);
    const acting = this.acting.get(containerId);
    if (acting?.act === (event.kind === 'started' ? 'start' : 'stop') && event.kind !== 'oom') {
      acting.missed = event;
      return;
    }
    if (entry.sandboxes.has(containerId)) {
      if (event.kind === 'exited') void this.recheckSandbox(containerId);
      return;
    }
    const known = entry.containers.get(containerId);
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
    this.own(sandboxId, identity.uid);
    this.entry(identity);
    return this.refreshSandbox(sandboxId);
  }

  /** A container was made just now; its status follows when it starts. */
  addContainer(identity: PodIdentity, container: ContainerView): void {
    this.own(container.id, identity.uid);
    this.entry(identity).containers.set(container.id, container);
    this.changed(identity.uid);
  }

  /** What this container is now; undefined if it is gone. */
  container(containerId: string): ContainerView | undefined {
    const owner = this.owners.get(containerId);
    return owner === undefined ? undefined : this.entries.get(owner.uid)?.containers.get(containerId);
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
      if (!isOld || recheckMs === undefined) return this.put(view);
      await this.options.clock.sleep(recheckMs);
    }
  }

  private async fetchContainer(containerId: string): Promise<ContainerView | undefined> {
    try {
      const { status } = await this.options.runtime.containerStatus(containerId);
      const owner = this.owners.get(containerId);
      if (status === undefined || owner === undefined) return undefined;
      const known = this.entries.get(owner.uid)?.containers.get(containerId);
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
    const view = toSandboxView(status);
    const owner = this.owners.get(sandboxId);
    const entry = owner === undefined ? undefined : this.entries.get(owner.uid);
    if (owner !== undefined && entry !== undefined) {
      entry.sandboxes.set(sandboxId, view);
      this.changed(owner.uid);
    }
    return view;
  }

  /** A sandbox is stopped, as its stop call said. */
  sandboxStopped(sandboxId: string): void {
    const owner = this.owners.get(sandboxId);
    const entry = owner === undefined ? undefined : this.entries.get(owner.uid);
    const sandbox = entry?.sandboxes.get(sandboxId);
    if (owner === undefined || entry === undefined || sandbox === undefined) return;
    entry.sandboxes.set(sandboxId, { ...sandbox, ready: false, ips: [] });
    this.changed(owner.uid);
  }

  /** A container or sandbox was removed. */
  drop(id: string): void {
    const owner = this.owners.get(id);
    this.owners.delete(id);
    this.oomKilled.delete(id);
    this.ended.delete(id);
    const entry = owner === undefined ? undefined : this.entries.get(owner.uid);
    if (owner === undefined || entry === undefined) return;
    entry.containers.delete(id);
    entry.sandboxes.delete(id);
    if (entry.containers.size === 0 && entry.sandboxes.size === 0) this.entries.delete(owner.uid);
    this.changed(owner.uid);
  }

  /** Lists everything; calls that come meanwhile share one more list. Never rejects: it tries until the runtime answers. */
  relist(): Promise<void> {
    if (this.relisting !== undefined) {
      this.relistAgain = true;
      return this.relisting;
    }
    this.relisting = this.relistUntilDone().finally(() => (this.relisting = undefined));
    return this.relisting;
  }

  private async relistUntilDone(): Promise<void> {
    for (;;) {
      this.relistAgain = false;
      try {
        const startedAtMs = this.options.clock.now();
        await this.listOnce();
        this.options.onRelist?.(startedAtMs, this.options.clock.now());
        this.markSynced();
        if (!this.relistAgain) return;
      } catch (error) {
        this.options.logger.warn({ err: error }, 'Cannot list what the container runtime holds; trying again');
        await this.options.clock.sleep(RELIST_RETRY_MS);
      }
    }
  }

  /** Lists one pod's sandboxes and containers: for acts that were given up half-way. @throws RuntimeError */
  async relistPod(uid: string): Promise<void> {
    await this.listOnce({ labelSelector: { 'io.kubernetes.pod.uid': uid } }, uid);
  }

  private async listOnce(filter: { labelSelector?: Record<string, string> } = {}, onlyUid?: string): Promise<void> {
    const beganAt = ++this.sequence;
    const { runtime } = this.options;
    const [sandboxes, containers] = await Promise.all([runtime.listPodSandbox(filter), runtime.listContainers(filter)]);
    const seen = new Set<string>();
    const work: (() => Promise<unknown>)[] = [];
    for (const sandbox of sandboxes) {
      const identity = podIdentity(sandbox.labels);
      if (identity === undefined) continue;
      seen.add(sandbox.id);
      const known = this.entries.get(identity.uid)?.sandboxes.get(sandbox.id);
      if (known !== undefined && known.ready === isReady(sandbox)) continue;
      this.own(sandbox.id, identity.uid);
      this.entry(identity);
      work.push(() => this.refreshSandbox(sandbox.id));
    }
    for (const container of containers) {
      const identity = podIdentity(container.labels);
      if (identity === undefined) continue;
      seen.add(container.id);
      const entry = this.entry(identity);
      const known = entry.containers.get(container.id);
      if (known !== undefined && known.state === stateOf(container.state)) continue;
      this.own(container.id, identity.uid);
      work.push(async () => {
        const view = await this.fetchContainer(container.id);
        if (view !== undefined) this.put({ ...view, sandboxId: container.podSandboxId });
      });
    }
    for (const [id, owner] of [...this.owners]) {
      const mine = onlyUid === undefined || owner.uid === onlyUid;
      if (mine && !seen.has(id) && owner.since < beganAt) this.drop(id);
    }
    await runLimited(work, STATUS_CALLS_AT_ONCE, error => {
      if (!isNotFound(error)) throw error;
    });
  }

  private own(id: string, uid: string): void {
    if (!this.owners.has(id)) this.owners.set(id, { uid, since: ++this.sequence });
  }

  private entry(identity: PodIdentity): Entry {
    let entry = this.entries.get(identity.uid);
    if (entry === undefined) {
      entry = { identity, sandboxes: new Map(), containers: new Map(), view: undefined };
      this.entries.set(identity.uid, entry);
    }
    return entry;
  }

  private put(view: ContainerView): void {
    const owner = this.owners.get(view.id);
    const entry = owner === undefined ? undefined : this.entries.get(owner.uid);
    if (owner === undefined || entry === undefined) return;
    const known = entry.containers.get(view.id);
    // An exited container never runs again; a slower answer must not say so.
    if (known?.state === 'exited' && view.state !== 'exited') return;
    entry.containers.set(view.id, view);
    this.changed(owner.uid);
  }

  private changed(uid: string): void {
    const entry = this.entries.get(uid);
    if (entry !== undefined) entry.view = undefined;
    for (const listener of this.listeners) listener(uid);
  }
}

function viewOf(entry: Entry): PodView {
  const newestFirst = (a: { createdAtMs: number; attempt: number }, b: { createdAtMs: number; attempt: number }) =>
    b.createdAtMs - a.createdAtMs || b.attempt - a.attempt;
  return {
    ...entry.identity,
    sandboxes: [...entry.sandboxes.values()].sort(newestFirst),
    containers: [...entry.containers.values()].sort(newestFirst),
  };
}

async function runLimited(
  work: readonly (() => Promise<unknown>)[],
  atOnce: number,
  onError: (error: unknown) => void,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let task = work[next++]; task !== undefined; task = work[next++]) await task().catch(onError);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, work.length) }, worker));
}
