/**
 * Drives each pod through sync -> terminating -> terminated -> finished.
 *
 * - A phase only moves forward; a finished UID never runs again.
 * - One UID never runs twice at once; the newest pod wins. One pod's hung call delays no other.
 * - `updatePod()` may run during any `await` below: read `record` again after each.
 * - Pods that the runtime holds and the API does not know are ended, but only once the API has been listed.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { pods } from '../../../machinery/client/resource.ts';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import { runReconciler, type ReconcileObserver } from '../../../machinery/client/run-reconciler.ts';
import type { WorkQueue } from '../../../machinery/client/work-queue.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { ImageManager } from '../images/image-manager.ts';
import { deadlineVerdict } from '../plan/active-deadline.ts';
import { isTerminalPhase, uidOf } from '../plan/pod-spec.ts';
import type { PodVerdict } from '../plan/pod-status.ts';
import { isAnythingRunning, type PodView } from '../plan/pod-view.ts';
import type { Prober } from '../prober/prober.ts';
import { PodAdmission, type PodAdmissionOptions } from './pod-admission.ts';
import { newRecord, type PodRecord } from './pod-record.ts';
import type { PodSyncer } from './pod-syncer.ts';
import type { PodTerminator } from './pod-terminator.ts';
import type { StatusManager } from './status-manager.ts';
import type { StatusPublisher } from './status-publisher.ts';

export interface PodWorkersOptions extends PodAdmissionOptions {
  readonly syncer: PodSyncer;
  readonly terminator: PodTerminator;
  readonly status: StatusManager;
  readonly publisher: StatusPublisher;
  readonly prober: Prober;
  readonly images: ImageManager;
  readonly queue: WorkQueue<string>;
  readonly clock: Clock;
  /** Told of metadata changes, for downward API volumes. */
  readonly podChanged: (pod: Pod) => void;
  /** Told once nothing is left of a pod here. */
  readonly podRemoved: (pod: Pod) => void;
  readonly observer?: ReconcileObserver | undefined;
}

/** More pods than a node can have: a pod that hangs must not keep a worker from another. */
const WORKERS = 2_000;

/** What is left of the dead yields to pods that start, for a while. */
const YIELD_MS = 500;
const LONGEST_YIELD_MS = 10_000;

export class PodWorkers implements Reconciler<string> {
  private readonly options: PodWorkersOptions;
  private readonly records = new Map<string, PodRecord>();
  private readonly admission: PodAdmission;

  constructor(options: PodWorkersOptions) {
    this.options = options;
    this.admission = new PodAdmission(options, {
      others: record => this.admittedBeside(record),
      mayRun: uid => this.mayRun(uid),
      end: (uid, verdict) => this.endPod(uid, verdict),
    });
    options.cache.onChange(uid => {
      if (this.records.has(uid)) options.queue.add(uid);
    });
  }

  /** Runs until `signal` aborts. Containers are left as they are. */
  async run(signal: AbortSignal): Promise<void> {
    const { queue, clock, logger, observer } = this.options;
    const stop = (): void => {
      for (const record of this.records.values()) record.abort.abort(signal.reason);
    };
    signal.addEventListener('abort', stop, { once: true });
    await runReconciler({ name: 'pod', queue, reconciler: this, workers: WORKERS, clock, logger, observer }, signal);
  }

  /** Pods of this node as the workers know them, ended ones too. */
  pods(): Pod[] {
    return [...this.records.values()].filter(record => !record.gone).map(record => record.pod);
  }

  /** The API has this pod, new or changed. */
  updatePod(pod: Pod): void {
    const uid = uidOf(pod);
    let record = this.records.get(uid);
    if (record === undefined) {
      record = newRecord(uid, pod);
      this.records.set(uid, record);
    }
    const before = record.desired;
    record.desired = pod;
    record.pod = this.options.allocations.store.podOf(pod);
    record.gone = false;
    this.options.status.podSeen(pod);
    if (before !== pod) this.options.podChanged(pod);
    this.interrupt(record);
    // A write of our own status alone asks for nothing.
    const statusOnly = before !== pod && record.admitted && onlyStatusChanged(before, pod);
    if (!statusOnly) this.options.queue.add(uid);
  }

  /** The API has forgotten the pod. */
  removePod(pod: Pod): void {
    const record = this.records.get(uidOf(pod));
    this.options.status.forget(uidOf(pod));
    if (record === undefined) return;
    record.pod = pod.metadata.deletionTimestamp === undefined ? record.pod : pod;
    record.gone = true;
    this.interrupt(record);
    this.options.queue.add(record.uid);
  }

  /** What probes say of the pod changed. One that is being stopped has no run to spare: its readiness is told at once. */
  probed(uid: string): void {
    const record = this.records.get(uid);
    if (record?.phase === 'terminating') this.options.publisher.publish(record, { urgent: true });
    else this.options.queue.add(uid);
  }

  /** The kubelet ends the pod: eviction, shutdown. */
  endPod(uid: string, verdict: PodVerdict): void {
    const record = this.records.get(uid);
    if (record === undefined || record.verdict !== undefined) return;
    record.verdict = verdict;
    this.interrupt(record);
    this.options.queue.add(uid);
  }

  /** Ends what the runtime holds of pods that nobody wants: all of it, once the API's pods have all been told. */
  endOrphans(isOrphan: (view: PodView) => boolean = () => true): void {
    for (const view of this.options.cache.views()) {
      if (this.records.has(view.uid) || !isOrphan(view)) continue;
      this.options.logger.info(
        { pod: `${view.namespace}/${view.name}`, uid: view.uid },
        'Ending a pod that the API does not know',
      );
      const record = newRecord(view.uid, skeleton(view));
      record.gone = true;
      this.records.set(view.uid, record);
      this.options.queue.add(view.uid);
    }
  }

  /** Whether another pod of the same name is being ended here. */
  isNameTaken({ metadata }: Pod): boolean {
    return [...this.records.values()].some(
      ({ gone, pod: other, uid }) =>
        gone &&
        uid !== metadata.uid &&
        other.metadata.name === metadata.name &&
        other.metadata.namespace === metadata.namespace,
    );
  }

  /** UIDs that a worker looks after. */
  has(uid: string): boolean {
    return this.records.has(uid);
  }

  /** Those that were admitted and are not to end. */
  activePods(): Pod[] {
    return [...this.records.values()]
      .filter(record => record.phase === 'sync' && record.admitted && !this.mustEnd(record))
      .map(record => record.pod);
  }

  /** Pods that have not ended: what they need must stay. */
  livePods(): Pod[] {
    return [...this.records.values()].filter(({ phase }) => phase === 'sync').map(({ pod }) => pod);
  }

  /** Whether nothing of the pod runs any more, or will. */
  hasEnded(uid: string): boolean {
    const phase = this.records.get(uid)?.phase;
    return phase === undefined || phase === 'finished';
  }

  /** Whether some pod's containers are to end by themselves, or are being ended. */
  expectEnds(): boolean {
    return [...this.records.values()].some(
      ({ phase, pod }) => phase === 'terminating' || (phase === 'sync' && endsByItself(pod)),
    );
  }

  /** Ends the run under way if what it does is no longer wanted. */
  private interrupt(record: PodRecord): void {
    if (record.phase === 'sync' && this.mustEnd(record)) record.abort.abort(new EndedError());
    if (record.phase !== 'terminating' || record.graceInUse === undefined) return;
    if (this.options.terminator.graceOf(record) < record.graceInUse) record.abort.abort(new EndedError());
  }

  private mustEnd(record: PodRecord): boolean {
    const { pod, gone, verdict, completed } = record;
    return (
      gone ||
      completed ||
      verdict !== undefined ||
      pod.metadata.deletionTimestamp !== undefined ||
      isTerminalPhase(pod.status?.phase)
    );
  }

  async reconcile(uid: string, signal: AbortSignal): Promise<ReconcileResult> {
    const record = this.records.get(uid);
    if (record === undefined) return 'awaitChange';
    // What aborts now is new; what aborted before has been heard.
    if (record.abort.signal.aborted) record.abort = new AbortController();
    const both = AbortSignal.any([signal, record.abort.signal]);
    try {
      return await this.step(record, both);
    } catch (error) {
      if (signal.aborted) throw error;
      if (!(record.abort.signal.aborted && record.abort.signal.reason === error)) throw error;
      // Interrupted for something newer: look again at once.
      return { afterMs: 0 };
    }
  }

  private async step(record: PodRecord, signal: AbortSignal): Promise<ReconcileResult> {
    switch (record.phase) {
      case 'sync':
        return this.sync(record, signal);
      case 'terminating':
        await this.terminate(record, signal);
        return { afterMs: 0 };
      case 'terminated':
        this.options.resources.release(record.uid);
        await this.options.terminator.release(record, signal);
        this.options.publisher.publish(record, { urgent: true, final: true });
        this.options.status.finish(record.uid);
        record.phase = 'finished';
        return { afterMs: 0 };
      case 'finished':
        return this.finish(record, signal);
    }
  }

  private async sync(record: PodRecord, signal: AbortSignal): Promise<ReconcileResult> {
    const { allocations, clock, publisher, recorder, status } = this.options;
    if (this.mustEnd(record)) return this.begin(record);
    const nowMs = clock.now();
    const deadline = deadlineVerdict(record.pod, status.current(record.pod)?.startTime, nowMs);
    if (deadline !== undefined && deadline.dueInMs <= 0) {
      record.verdict = deadline.verdict;
      recorder.event(subjectOf(pods, record.pod), 'Normal', deadline.verdict.reason, deadline.verdict.message);
      return this.begin(record);
    }
    if (!record.admitted) {
      const admission = await this.admission.admit(record, signal);
      if (admission.kind === 'waits') return 'awaitChange';
      if (admission.kind === 'rejected') {
        record.verdict = admission.verdict;
        publisher.publish(record, { urgent: true });
        return this.begin(record);
      }
    }
    record.pod = allocations.resizer.consider(record.desired);
    const result = await this.options.syncer.sync(record, signal);
    if (record.completed) return this.begin(record);
    if (deadline === undefined) return result;
    return { afterMs: result === 'awaitChange' ? deadline.dueInMs : Math.min(result.afterMs, deadline.dueInMs) };
  }

  private admittedBeside(record: PodRecord): Pod[] {
    return [...this.records.values()]
      .filter(other => other !== record && other.admitted && !other.gone && other.phase === 'sync')
      .map(other => other.pod);
  }

  private mayRun(uid: string): boolean {
    const phase = this.records.get(uid)?.phase;
    return phase === 'sync' || phase === 'terminating';
  }

  private begin(record: PodRecord): ReconcileResult {
    record.phase = 'terminating';
    record.terminatingSinceMs = this.options.clock.monotonicMs();
    return { afterMs: 0 };
  }

  private async terminate(record: PodRecord, signal: AbortSignal): Promise<void> {
    const { cache, terminator, prober, publisher } = this.options;
    prober.stopping(record.uid);
    if (isAnythingRunning(cache.view(record.uid)) || record.uncertain) {
      record.graceInUse = terminator.graceOf(record);
      try {
        await terminator.stop(record, record.graceInUse, signal);
      } finally {
        record.graceInUse = undefined;
      }
    }
    prober.remove(record.uid);
    record.waiting.clear();
    record.phase = 'terminated';
    this.options.allocations.resizer.roomChanged();
    for (const other of this.records.values()) if (other.victims.has(record.uid)) this.options.queue.add(other.uid);
    publisher.publish(record, { urgent: false, final: true });
  }

  private async finish(record: PodRecord, signal: AbortSignal): Promise<ReconcileResult> {
    if (!record.gone) return 'awaitChange';
    const { clock, syncer } = this.options;
    record.removableSinceMs ??= clock.monotonicMs();
    const yieldsMs = record.removableSinceMs + LONGEST_YIELD_MS - clock.monotonicMs();
    if (syncer.starting > 0 && yieldsMs > 0) return { afterMs: Math.min(YIELD_MS, yieldsMs) };
    await this.options.allocations.resizer.forget(record.uid);
    await this.options.terminator.remove(record, signal);
    this.options.images.forget(record.uid);
    this.records.delete(record.uid);
    this.options.podRemoved(record.pod);
    return 'awaitChange';
  }
}

/** The run under way serves nobody any more. */
class EndedError extends Error {
  override readonly name = 'AbortError';

  constructor() {
    super('the pod is to end');
  }
}

function endsByItself({ spec, status }: Pod): boolean {
  const initializing = (status?.initContainerStatuses ?? []).some(({ ready }) => !ready);
  return initializing || (spec.restartPolicy ?? 'Always') !== 'Always';
}

/** As much of a pod as the runtime remembers. */
function skeleton(view: PodView): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { uid: view.uid, namespace: view.namespace, name: view.name },
    spec: { containers: [] },
  };
}

/** Readiness gates of others count as more. */
function onlyStatusChanged(before: Pod, after: Pod): boolean {
  const same =
    before.metadata.generation === after.metadata.generation &&
    before.metadata.deletionTimestamp === after.metadata.deletionTimestamp &&
    before.metadata.deletionGracePeriodSeconds === after.metadata.deletionGracePeriodSeconds &&
    before.metadata.generation !== undefined;
  return same && (after.spec.readinessGates ?? []).length === 0 && !isTerminalPhase(after.status?.phase);
}
