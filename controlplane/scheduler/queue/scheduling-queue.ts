/**
 * Pods that wait for a node: active (tried next, in the order of QueueSort), in back-off, or unschedulable until something changes that may help.
 *
 * Source: kubernetes.io/docs, "Scheduling Framework"; KEP-4247; upstream's back-off of 1 s doubling to 10 s.
 * - A pod is in one place at most; each is known by its UID.
 * - An unschedulable pod goes back when a hint of a plugin that turned it down says that a change may help, through what is left of its back-off.
 *   What changes while it is being tried counts. After five minutes it is tried in any case, should a hint be wrong.
 * - A change costs as much as the hints of those who were turned down by plugins that asked for it; a heartbeat costs nothing.
 * - Nothing ticks: one timer stands for what is due next.
 *
 * Differs: upstream tries pods in back-off at once when nothing else is to be tried (SchedulerPopFromBackoffQ). Here the first back-off is waited out
 * and the rest is let off, to few pods at a time: the scheduler shares its processor with the API server, and pods that send one another back must
 * not keep it busy.
 */
import type { Clock } from '../../../machinery/process/clock.ts';
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { QueuedPod } from '../framework/framework.ts';
import { labelOf, podActions, type ClusterChange } from './cluster-change.ts';
import { InFlightChanges } from './in-flight-changes.ts';
import { IndexedHeap } from './indexed-heap.ts';
import { QueueEntry } from './queue-entry.ts';
import type { QueueingHints } from './queueing-hints.ts';
import { UnschedulablePods } from './unschedulable-pods.ts';

export interface SchedulingQueueOptions {
  readonly clock: Clock;
  readonly hints: QueueingHints;
  /** Below 0: `a` is tried before `b`. */
  compare(a: QueuedPod, b: QueuedPod): number;
  /** The plugin that keeps the pod out of the queue; undefined: none. */
  gateOf(pod: Pod): string | undefined;
  /** A pod was put somewhere; `event` is what made it, in upstream's words. */
  onIncoming?(queue: 'active' | 'backoff' | 'unschedulable', event: string): void;
  readonly initialBackoffMs?: number | undefined;
  readonly maxBackoffMs?: number | undefined;
}

const FLUSH_AFTER_MS = 300_000;
const FLUSH_EVERY_MS = 30_000;
/** So many pods in back-off are let off the rest of it. */
const FEW = 10;

export class SchedulingQueue {
  private readonly options: SchedulingQueueOptions;
  private readonly entries = new Map<string, QueueEntry>();
  private readonly active: IndexedHeap<QueueEntry>;
  private readonly backoff = new IndexedHeap<QueueEntry>((a, b) => a.dueMs < b.dueMs);
  private readonly unschedulable: UnschedulablePods;
  private readonly inFlight = new InFlightChanges();
  private orders = 0;
  private wake: (() => void) | undefined;
  private timer: { dueMs: number; cancel: () => void } | undefined;

  constructor(options: SchedulingQueueOptions) {
    this.options = options;
    this.active = new IndexedHeap((a, b) => options.compare(a, b) < 0);
    this.unschedulable = new UnschedulablePods(options.hints);
  }

  /** A pod without a node: new, or as it is now. */
  set(pod: Pod): void {
    const entry = this.entries.get(pod.metadata.uid ?? '');
    if (entry !== undefined) return this.update(entry, pod);
    const fresh = new QueueEntry(pod, this.orders++, this.nowMs());
    this.entries.set(fresh.uid, fresh);
    this.activate(fresh, 'PodAdd');
  }

  /** It has a node, or is gone. */
  remove(uid: string): void {
    const entry = this.entries.get(uid);
    if (entry === undefined) return;
    this.entries.delete(uid);
    this.leave(entry);
    entry.place = 'gone';
  }

  /** The next pod to try, if there is one. It is `trying` from now on, until it is parked, retried, settled or removed. */
  tryPop(): QueueEntry | undefined {
    const entry = this.active.pop();
    if (entry === undefined) return undefined;
    entry.attempts++;
    entry.place = 'trying';
    this.inFlight.begin(entry.uid);
    return entry;
  }

  /** Resolves as soon as there is a pod to try, or the signal aborts. */
  async waitForPod(signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.active.size > 0) return;
    await new Promise<void>(resolve => {
      const done = (): void => {
        signal.removeEventListener('abort', done);
        this.wake = undefined;
        resolve();
      };
      this.wake = done;
      signal.addEventListener('abort', done, { once: true });
    });
  }

  /** No node fits now, since these plugins turned the pod down; none of them: since there was no telling why. */
  park(entry: QueueEntry, rejectedBy: Iterable<string>): void {
    const missed = this.inFlight.end(entry.uid);
    if (entry.place !== 'trying') return;
    const { hints } = this.options;
    entry.rejectedBy = hints.keysOf(entry.schedulerName, rejectedBy);
    entry.unschedulableCount++;
    entry.errorCount = 0;
    entry.returnedMs = this.nowMs();
    const isWorthIt = missed?.some(change => hints.mayHelp(entry.rejectedBy, entry.pod, change)) ?? true;
    if (isWorthIt || entry.rejectedBy.length === 0) this.comeBack(entry, 'ScheduleAttemptFailure');
    else this.setAside(entry, 'ScheduleAttemptFailure');
  }

  /** Something failed on the way (the API, a plugin): tried again after its back-off. */
  retry(entry: QueueEntry): void {
    this.inFlight.end(entry.uid);
    if (entry.place !== 'trying') return;
    entry.errorCount++;
    entry.unschedulableCount = 0;
    entry.returnedMs = this.nowMs();
    this.comeBack(entry, 'ScheduleAttemptFailure');
  }

  /** What was to be done for an unschedulable pod was not: it is tried again, after its back-off. */
  retryParked(uid: string): void {
    const entry = this.entries.get(uid);
    if (entry?.place !== 'unschedulable') return;
    this.leave(entry);
    this.comeBack(entry, 'PodActivate');
  }

  /** What changes from now on need not be kept for the pod: nothing can turn it down any more, or it is still to be looked at. */
  settle(entry: QueueEntry): void {
    this.inFlight.end(entry.uid);
  }

  /** The pod is looked at from now on; see `settle`. */
  resume(entry: QueueEntry): void {
    if (entry.place === 'trying') this.inFlight.begin(entry.uid);
  }

  /**
   * Something changed that may help pods that found no node.
   *
   * @param except UID of the pod that made it: no reason to try that again
   */
  notify(change: ClusterChange, except?: string): void {
    this.inFlight.note(change);
    for (const entry of this.unschedulable.helpedBy(change)) {
      if (entry.uid === except) continue;
      this.leave(entry);
      this.comeBack(entry, labelOf(change));
    }
  }

  /** No timer is left behind. */
  close(): void {
    this.timer?.cancel();
    this.timer = undefined;
  }

  get size(): { active: number; backoff: number; unschedulable: number; gated: number; trying: number } {
    const { gated, size } = this.unschedulable;
    const waiting = this.active.size + this.backoff.size + size;
    return {
      active: this.active.size,
      backoff: this.backoff.size,
      unschedulable: size - gated,
      gated,
      trying: this.entries.size - waiting,
    };
  }

  /** How many unschedulable pods each plugin turned down, by profile and plugin (`profile/plugin`). */
  get unschedulableByPlugin(): ReadonlyMap<string, number> {
    return this.unschedulable.countByPlugin;
  }

  private update(entry: QueueEntry, pod: Pod): void {
    const older = entry.pod;
    entry.pod = pod;
    if (entry.place === 'active') return this.active.moved(entry);
    if (entry.place === 'backoff' || isSame(older, pod)) return;
    const change: ClusterChange = { resource: 'Pod', actions: podActions(older, pod), older, newer: pod };
    if (entry.place === 'trying') return this.inFlight.note(change);
    if (!this.options.hints.mayHelp(entry.rejectedBy, pod, change)) return;
    this.leave(entry);
    this.comeBack(entry, labelOf(change));
  }

  /** Takes it from where it is. */
  private leave(entry: QueueEntry): void {
    if (entry.place === 'active') this.active.remove(entry);
    else if (entry.place === 'backoff') this.backoff.remove(entry);
    else if (entry.place === 'unschedulable') this.unschedulable.remove(entry);
    else this.inFlight.end(entry.uid);
  }

  private comeBack(entry: QueueEntry, event: string): void {
    entry.dueMs = entry.returnedMs + this.backoffMs(entry, this.active.size === 0 && this.backoff.size < FEW);
    if (entry.dueMs <= this.nowMs()) return this.activate(entry, event);
    entry.place = 'backoff';
    this.backoff.push(entry);
    this.options.onIncoming?.('backoff', event);
    this.arm();
  }

  /** @param isIdle little else is to be done; whoever failed by an error waits all the same */
  private backoffMs({ errorCount, unschedulableCount, rejectedBy }: QueueEntry, isIdle: boolean): number {
    const { initialBackoffMs = 1_000, maxBackoffMs = 10_000 } = this.options;
    const mayHurry = isIdle && errorCount === 0 && rejectedBy.length > 0;
    const failures = errorCount > 0 ? errorCount : Math.min(unschedulableCount, mayHurry ? 1 : Infinity);
    return failures === 0 ? 0 : Math.min(maxBackoffMs, initialBackoffMs * 2 ** (failures - 1));
  }

  private activate(entry: QueueEntry, event: string): void {
    const gate = this.options.gateOf(entry.pod);
    entry.gated = gate !== undefined;
    if (gate !== undefined) {
      entry.rejectedBy = this.options.hints.keysOf(entry.schedulerName, [gate]);
      return this.setAside(entry, event);
    }
    entry.place = 'active';
    this.active.push(entry);
    this.options.onIncoming?.('active', event);
    this.wake?.();
  }

  private setAside(entry: QueueEntry, event: string): void {
    entry.place = 'unschedulable';
    this.unschedulable.add(entry, this.nowMs());
    this.options.onIncoming?.('unschedulable', event);
    this.arm();
  }

  private arm(): void {
    const oldestMs = this.unschedulable.oldestMs;
    const flushMs = oldestMs === undefined ? Infinity : oldestMs + FLUSH_AFTER_MS;
    const dueMs = Math.min(this.backoff.first?.dueMs ?? Infinity, flushMs);
    // What was armed for earlier looks again then.
    if (this.timer !== undefined && this.timer.dueMs <= dueMs) return;
    this.timer?.cancel();
    if (dueMs === Infinity) return void (this.timer = undefined);
    this.timer = { dueMs, cancel: this.options.clock.after(dueMs - this.nowMs(), () => this.onTimer()) };
  }

  private onTimer(): void {
    this.timer = undefined;
    const nowMs = this.nowMs();
    for (let entry = this.backoff.first; entry !== undefined && entry.dueMs <= nowMs; entry = this.backoff.first) {
      this.backoff.remove(entry);
      this.activate(entry, 'BackoffComplete');
    }
    // Those that are due soon go along, so that many that were parked one after another are not many timers.
    if (nowMs - (this.unschedulable.oldestMs ?? nowMs) >= FLUSH_AFTER_MS) {
      for (const entry of this.unschedulable.addedBefore(nowMs - FLUSH_AFTER_MS + FLUSH_EVERY_MS)) {
        this.leave(entry);
        this.comeBack(entry, 'UnschedulableTimeout');
      }
    }
    this.arm();
  }

  private nowMs(): number {
    return this.options.clock.monotonicMs();
  }
}

/** Whether nothing but the pod's status changed, which we write ourselves: no reason to try again. */
function isSame({ metadata: a }: Pod, { metadata: b }: Pod): boolean {
  return a.generation === b.generation && jsonEquals(a.labels, b.labels) && jsonEquals(a.annotations, b.annotations);
}
