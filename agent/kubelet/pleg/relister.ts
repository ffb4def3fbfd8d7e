/**
 * Lists what the runtime holds: everything at a gap in the events, one pod after an act that was given up half-way.
 *
 * - Asks for the status of what changed alone. A status call that hangs holds up its own pod (`settled`), never the list.
 * - What the list does not name any more is dropped, unless it came after the list began.
 */
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import { Gate } from '../pods/gate.ts';
import { isNotFound } from '../runtime/runtime-error.ts';
import type { RuntimeService } from '../runtime/runtime-service.ts';
import type { PodIdentity, PodViews } from './pod-views.ts';
import { isReady, podIdentity, stateOf } from './to-view.ts';

export interface RelisterOptions {
  readonly runtime: RuntimeService;
  readonly views: PodViews;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Asks for the status and puts it into the views. @throws RuntimeError */
  readonly readSandbox: (id: string) => Promise<unknown>;
  /** As `readSandbox`; the list knows the sandbox of a container, its status does not. @throws RuntimeError */
  readonly readContainer: (id: string, sandboxId: string) => Promise<unknown>;
  readonly drop: (id: string) => void;
  /** Told of every list of everything. Times in milliseconds since the epoch. */
  readonly onRelist?: ((startedAtMs: number, endedAtMs: number) => void) | undefined;
}

const RETRY_MS = 1_000;
const STATUS_CALLS_AT_ONCE = 8;
/** A status call takes a millisecond or two. */
const STATUS_PATIENCE_MS = 1_000;

export class Relister {
  private readonly options: RelisterOptions;
  private readonly gate: Gate;
  /** Pod UID -> status calls that its list made and that have not been answered. */
  private readonly asking = new Map<string, Set<Promise<void>>>();
  private running: Promise<void> | undefined;
  private again = false;

  constructor(options: RelisterOptions) {
    this.options = options;
    this.gate = new Gate({ limit: STATUS_CALLS_AT_ONCE, patienceMs: STATUS_PATIENCE_MS, clock: options.clock });
  }

  /** Lists everything; calls that come meanwhile share one more list. Never rejects: it tries until the runtime answers. */
  all(): Promise<void> {
    if (this.running !== undefined) {
      this.again = true;
      return this.running;
    }
    this.running = this.untilDone().finally(() => (this.running = undefined));
    return this.running;
  }

  /** Lists one pod's sandboxes and containers, and waits for their statuses. @throws RuntimeError */
  async pod(uid: string): Promise<void> {
    await this.list({ labelSelector: { 'io.kubernetes.pod.uid': uid } }, uid);
    await this.settled(uid);
  }

  /** Resolves once everything that was listed of the pod is known: a container that is only listed must not be started again. */
  async settled(uid: string): Promise<void> {
    await Promise.all(this.asking.get(uid) ?? []);
  }

  private async untilDone(): Promise<void> {
    const { clock, logger, onRelist } = this.options;
    for (;;) {
      this.again = false;
      try {
        const startedAtMs = clock.now();
        await this.list();
        onRelist?.(startedAtMs, clock.now());
        if (!this.again) return;
      } catch (error) {
        logger.warn({ err: error }, 'Cannot list what the container runtime holds; trying again');
        await clock.sleep(RETRY_MS);
      }
    }
  }

  private async list(filter: { labelSelector?: Record<string, string> } = {}, onlyUid?: string): Promise<void> {
    const { runtime, views, readSandbox, readContainer, drop } = this.options;
    const beganAt = views.mark();
    const [sandboxes, containers] = await Promise.all([runtime.listPodSandbox(filter), runtime.listContainers(filter)]);
    const seen = new Set<string>();
    const asked: Promise<void>[] = [];
    for (const sandbox of sandboxes) {
      const identity = podIdentity(sandbox.labels);
      if (identity === undefined) continue;
      seen.add(sandbox.id);
      if (views.sandbox(sandbox.id)?.ready === isReady(sandbox)) continue;
      asked.push(this.ask(identity, sandbox.id, () => readSandbox(sandbox.id)));
    }
    for (const container of containers) {
      const identity = podIdentity(container.labels);
      if (identity === undefined) continue;
      seen.add(container.id);
      if (views.container(container.id)?.state === stateOf(container.state)) continue;
      asked.push(this.ask(identity, container.id, () => readContainer(container.id, container.podSandboxId)));
    }
    for (const id of views.idsBefore(beganAt, onlyUid)) if (!seen.has(id)) drop(id);
    const patience = new AbortController();
    const waited = this.options.clock.sleep(STATUS_PATIENCE_MS, patience.signal).catch(() => undefined);
    await Promise.race([Promise.all(asked), waited]);
    patience.abort();
  }

  /** Asks until it is answered. */
  private ask(identity: PodIdentity, id: string, read: () => Promise<unknown>): Promise<void> {
    const { views, clock, logger, drop } = this.options;
    views.own(identity, id);
    const answered = async (): Promise<void> => {
      while (views.knows(id)) {
        try {
          await this.gate.run(read);
          return;
        } catch (error) {
          if (isNotFound(error)) return drop(id);
          const pod = `${identity.namespace}/${identity.name}`;
          logger.warn({ err: error, id, pod }, 'The container runtime does not say how a container is; asking again');
          await clock.sleep(RETRY_MS);
        }
      }
    };
    const asking = this.asking.get(identity.uid) ?? new Set();
    this.asking.set(identity.uid, asking);
    const call: Promise<void> = answered().finally(() => {
      asking.delete(call);
      if (asking.size === 0 && this.asking.get(identity.uid) === asking) this.asking.delete(identity.uid);
    });
    asking.add(call);
    return call;
  }
}
