/**
 * Accepts resizes of pods, or keeps them waiting until there is room.
 *
 * - A decision and what follows from it are one step: no two resizes are given the same room.
 * - Whoever makes room says so (`roomChanged`): then all that wait are looked at again, in upstream's order.
 */
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import { subjectOf, type EventSink } from '../../../machinery/client/event-recorder.ts';
import { pods } from '../../../machinery/client/resource.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import { uidOf } from '../plan/pod-spec.ts';
import { byResizeOrder, decideResize, type PendingResize, type ResizeRules } from './plan/resize-decision.ts';
import { resizeConditions, resizeMessage, type ResizeState } from './plan/resize-events.ts';
import type { AllocationStore } from './allocation-store.ts';

export interface ResizerOptions {
  readonly store: AllocationStore;
  readonly recorder: EventSink;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly node: () => Node | undefined;
  readonly rules: ResizeRules;
  /** Pods that the node has, as allocated. */
  readonly pods: () => readonly Pod[];
  /** Something of the pod's resize changed. */
  readonly wake: (uid: string) => void;
}

export class Resizer {
  private readonly options: ResizerOptions;
  private readonly waiting = new Map<string, { desired: Pod; readonly sinceMs: number }>();
  private readonly states = new Map<string, ResizeState>();

  constructor(options: ResizerOptions) {
    this.options = options;
  }

  /** Looks at what the pod asks for now. @returns the pod as it is allocated then */
  consider(desired: Pod): Pod {
    const { store, clock } = this.options;
    const uid = uidOf(desired);
    if (store.podOf(desired) === desired) {
      this.waiting.delete(uid);
      this.set(uid, { pending: undefined });
    } else {
      this.waiting.set(uid, { desired, sinceMs: this.waiting.get(uid)?.sinceMs ?? clock.now() });
      this.lookAgain(uid);
    }
    return store.podOf(desired);
  }

  /** A pod ended, a resize made another smaller, or the node became larger. */
  roomChanged(): void {
    if (this.waiting.size > 0) this.lookAgain(undefined);
  }

  conditions(uid: string): ReturnType<typeof resizeConditions> {
    const generation = this.options.store.resizing(uid);
    const { inProgress, ...state } = this.states.get(uid) ?? {};
    if (generation === undefined) return resizeConditions(state);
    return resizeConditions({ ...state, inProgress: { ...inProgress, generation } });
  }

  /** Why what was allocated cannot be carried out now; undefined: nothing keeps it. @returns whether that is new */
  setError(uid: string, error: string | undefined): boolean {
    const generation = this.options.store.resizing(uid);
    const before = this.states.get(uid)?.inProgress?.error;
    const inProgress = generation === undefined || error === undefined ? undefined : { generation, error };
    this.set(uid, { inProgress });
    return before !== error;
  }

  /** The pod is gone. Resolves when nothing is written for it any more. */
  async forget(uid: string): Promise<void> {
    this.waiting.delete(uid);
    this.states.delete(uid);
    const written = this.options.store.forget(uid);
    this.roomChanged();
    await written;
  }

  /** @param considered it has a worker that runs now and needs none to be woken */
  private lookAgain(considered: string | undefined): void {
    const { store, wake } = this.options;
    for (let again = true; again;) {
      again = false;
      const order: PendingResize[] = [...this.waiting.values()].map(({ desired, sinceMs }) => ({
        desired,
        allocated: store.podOf(desired),
        sinceMs,
      }));
      for (const pending of order.sort(byResizeOrder)) {
        const uid = uidOf(pending.desired);
        const outcome = this.decide(pending);
        if (outcome === 'same') continue;
        if (uid !== considered) wake(uid);
        // What one gave back may be what another waits for.
        if (outcome === 'allocated') again = this.waiting.size > 0;
      }
    }
  }

  private decide({ desired, allocated }: PendingResize): 'same' | 'allocated' | 'pending' {
    const { store, recorder, node, rules, logger } = this.options;
    const uid = uidOf(desired);
    const subject = subjectOf(pods, desired);
    const generation = desired.metadata.generation ?? 0;
    const others = this.options.pods().filter(pod => uidOf(pod) !== uid);
    const decision = decideResize({ desired, allocated, others, node: node(), rules });
    if (decision.kind === 'allocate') {
      this.waiting.delete(uid);
      this.states.delete(uid);
      store.allocate(desired).catch((error: unknown) => {
        logger.error({ err: error, uid }, 'Cannot keep what was allocated to a pod; a restart now would forget it');
      });
      recorder.event(subject, 'Normal', 'ResizeStarted', resizeMessage('started', desired, generation));
      return 'allocated';
    }
    const { reason, message } = decision;
    const before = this.states.get(uid)?.pending;
    if (before?.reason === reason && before.message === message && before.generation === generation) return 'same';
    this.set(uid, { pending: { reason, message, generation } });
    if (before?.reason !== reason || before.generation !== generation) {
      recorder.event(subject, 'Warning', `Resize${reason}`, resizeMessage(reason, desired, generation, message));
    }
    return 'pending';
  }

  private set(uid: string, change: { [K in keyof ResizeState]: ResizeState[K] | undefined }): void {
    const { pending, inProgress } = { ...this.states.get(uid), ...change };
    if (pending === undefined && inProgress === undefined) this.states.delete(uid);
    else {
      const parts = {
        ...(pending === undefined ? {} : { pending }),
        ...(inProgress === undefined ? {} : { inProgress }),
      };
      this.states.set(uid, parts);
    }
  }
}
