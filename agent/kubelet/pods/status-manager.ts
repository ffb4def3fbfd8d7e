/**
 * Writes pods' statuses to the API, only when they differ from what it has, and removes pods that have ended and were deleted.
 *
 * - The newest status wins: what comes while a patch is under way goes with the next one.
 * - A status that nobody waits for (still creating, or new in nothing but its generation) is held back a moment, so that a fast start is one
 *   write, not three, and whoever has just written the pod's spec and goes on to its status is not in a race with us.
 * - A pod is removed only once its worker said that nothing of it is left, and after its last status was written.
 * - The status of a static pod is written to its mirror pod, when there is one.
 */
import type { Pod, PodStatus } from '../../../proto/api/core-v1.ts';
import type { Client } from '../../../machinery/client/client.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { pods } from '../../../machinery/client/resource.ts';
import { runReconciler } from '../../../machinery/client/run-reconciler.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { hasReason } from '../../../machinery/meta/status-error-from.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import { isStaticPod } from '../plan/critical-pod.ts';
import { uidOf } from '../plan/pod-spec.ts';
import { isLater } from '../plan/resource-version.ts';
import { isSameButGeneration, statusPatch } from '../plan/status-patch.ts';

interface Entry {
  pod: Pod;
  /** What the status is written to; undefined for a static pod that the API does not show (yet). */
  target: Pod | undefined;
  desired: PodStatus | undefined;
  /** What the API has, as far as we know. */
  applied: PodStatus | undefined;
  /** Newest resourceVersion that `applied` stands for. */
  appliedVersion: string;
  finished: boolean;
}

export interface StatusManagerOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly logger: Logger;
}

const LAZY_MS = 1_000;
const WRITES_AT_ONCE = 16;
const MAX_RETRY_MS = 10_000;

export class StatusManager implements Reconciler<string> {
  private readonly options: StatusManagerOptions;
  private readonly queue: WorkQueue<string>;
  private readonly entries = new Map<string, Entry>();
  /** Mirror pods by the UID of the static pod that they stand for. */
  private readonly mirrors = new Map<string, Pod>();

  constructor(options: StatusManagerOptions) {
    this.options = options;
    this.queue = new WorkQueue({ clock: options.clock, baseDelayMs: 100, maxDelayMs: MAX_RETRY_MS });
  }

  run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.options;
    return runReconciler(
      { name: 'pod-status', queue: this.queue, reconciler: this, workers: WRITES_AT_ONCE, clock, logger },
      signal,
    );
  }

  /** Statuses that are about to be written. */
  get unwritten(): number {
    return this.queue.depth + this.queue.running;
  }

  /** The API's newest pod. What others changed in its status that is ours is written again. */
  podSeen(pod: Pod): void {
    const uid = uidOf(pod);
    const entry = this.entries.get(uid);
    const target = isStaticPod(pod) ? this.mirrors.get(uid) : pod;
    if (entry === undefined) {
      const appliedVersion = target?.metadata.resourceVersion ?? '0';
      const applied = target?.status;
      this.entries.set(uid, { pod, target, desired: undefined, applied, appliedVersion, finished: false });
      return;
    }
    if (isStaticPod(pod)) {
      entry.pod = pod;
      return;
    }
    if (!isLater(pod.metadata.resourceVersion ?? '0', entry.appliedVersion)) {
      if (pod.metadata.resourceVersion === entry.appliedVersion) entry.pod = entry.target = pod;
      return;
    }
    entry.pod = entry.target = pod;
    entry.applied = pod.status;
    entry.appliedVersion = pod.metadata.resourceVersion ?? '0';
    const stale = entry.desired !== undefined && statusPatch(pod, entry.applied, entry.desired) !== undefined;
    if (stale || (entry.finished && pod.metadata.deletionTimestamp !== undefined)) this.queue.add(uid);
  }

  /** The API shows a static pod by this mirror; undefined: by none. */
  mirrorSeen(uid: string, mirror: Pod | undefined): void {
    if (mirror === undefined) this.mirrors.delete(uid);
    else this.mirrors.set(uid, mirror);
    const entry = this.entries.get(uid);
    if (entry === undefined) return;
    const isSame = entry.target?.metadata.uid === mirror?.metadata.uid;
    if (isSame && !isLater(mirror?.metadata.resourceVersion ?? '0', entry.appliedVersion)) return;
    entry.target = mirror;
    entry.applied = mirror?.status;
    entry.appliedVersion = mirror?.metadata.resourceVersion ?? '0';
    const { desired } = entry;
    if (mirror === undefined || desired === undefined) return;
    // A kubelet that has started anew knows from the API alone since when the pod runs.
    const startTime = [mirror.status?.startTime, desired.startTime].filter(time => time !== undefined).sort()[0];
    entry.desired = { ...desired, startTime };
    if (statusPatch(mirror, entry.applied, entry.desired) !== undefined) this.queue.add(uid);
  }

  /** The status to go on from: ours if there is one, with others' conditions as the API has them. */
  current(pod: Pod): PodStatus | undefined {
    const entry = this.entries.get(uidOf(pod));
    if (entry?.desired === undefined) return pod.status;
    return entry.desired;
  }

  /** @param urgent someone waits for it: readiness, a phase, an end */
  set(pod: Pod, status: PodStatus, urgent: boolean): void {
    const uid = uidOf(pod);
    const entry = this.entries.get(uid);
    if (entry === undefined) return;
    entry.desired = status;
    if (entry.target === undefined || statusPatch(pod, entry.applied, status) === undefined) return;
    if (urgent && !isSameButGeneration(pod, entry.applied, status)) this.queue.add(uid);
    else this.queue.addAfter(uid, LAZY_MS);
  }

  /** Nothing of the pod is left on this node. */
  finish(uid: string): void {
    const entry = this.entries.get(uid);
    if (entry === undefined || entry.finished) return;
    entry.finished = true;
    if (entry.pod.metadata.deletionTimestamp !== undefined) this.queue.add(uid);
  }

  /** The API has forgotten the pod. */
  forget(uid: string): void {
    this.entries.delete(uid);
  }

  async reconcile(uid: string, signal: AbortSignal): Promise<ReconcileResult> {
    const entry = this.entries.get(uid);
    if (entry?.target === undefined) return 'awaitChange';
    const { target: pod, desired } = entry;
    const ref = { namespace: pod.metadata.namespace, name: pod.metadata.name ?? '' };
    const client = this.options.client.of(pods);
    const patch = desired === undefined ? undefined : statusPatch(pod, entry.applied, desired);
    try {
      if (patch !== undefined) {
        const written = await client.patch(ref, patch, { type: 'strategic', subresource: 'status', signal });
        const version = written.metadata.resourceVersion ?? '0';
        if (isLater(version, entry.appliedVersion)) {
          entry.applied = written.status;
          entry.appliedVersion = version;
        }
        // Newer than what was just written: the queue runs this key again by itself.
        if (entry.desired !== desired) this.queue.add(uid);
      }
      if (entry.finished && entry.pod.metadata.deletionTimestamp !== undefined) {
        await client.delete(ref, { gracePeriodSeconds: 0, preconditions: { uid: uidOf(pod) }, signal });
        this.entries.delete(uid);
      }
    } catch (error) {
      // Gone, or a namesake has taken its place: there is nobody to tell.
      if (!hasReason(error, 'NotFound') && !hasReason(error, 'Conflict')) throw error;
      this.options.logger.debug({ uid, err: error }, 'Pod is gone; its status is not written');
      if (!hasReason(error, 'NotFound')) return 'awaitChange';
      if (isStaticPod(entry.pod)) entry.target = undefined;
      else this.entries.delete(uid);
    }
    return 'awaitChange';
  }
}
