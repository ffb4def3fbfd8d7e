/**
 * Keeps mirror pods: what the API shows of static pods.
 *
 * - A mirror pod that somebody deletes is made again; the static pod runs on.
 * - It is replaced when its static pod changes, and removed when nothing is left of that.
 * - An API that is away is met again; static pods do not wait for it.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { Client } from '../../../machinery/client/client.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { pods } from '../../../machinery/client/resource.ts';
import { runReconciler } from '../../../machinery/client/run-reconciler.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { hasReason, isNotFound } from '../../../machinery/meta/status-error-from.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import { uidOf } from '../plan/pod-spec.ts';
import { mirrorAction, mirroredHash, mirrorPod } from './plan/mirror-pod.ts';
import { keyOf } from '../../../machinery/meta/object.ts';

export interface MirrorPodsOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The static pod of a name. */
  readonly staticPod: (key: string) => Pod | undefined;
  /** Of the Node object; undefined until it is registered. */
  readonly nodeUid: () => string | undefined;
  /** Whether a worker looks after the pod. */
  readonly isEnding: (uid: string) => boolean;
  /** Told of the mirror of the static pod with that UID; undefined: there is none. */
  readonly onMirror: (uid: string, mirror: Pod | undefined) => void;
}

const RETRY_MS = { baseDelayMs: 200, maxDelayMs: 20_000 };
const NODE_WAIT_MS = 1_000;
/** So long nothing stands where somebody deleted a mirror pod: `kubectl delete` waits for ever if it misses that moment. */
const ABSENCE_MS = 1_000;
/** Somebody else's pod has the name. */
const TAKEN_RETRY_MS = 60_000;

export class MirrorPods implements Reconciler<string> {
  private readonly options: MirrorPodsOptions;
  private readonly queue: WorkQueue<string>;
  private readonly mirrors = new Map<string, Pod>();

  constructor(options: MirrorPodsOptions) {
    this.options = options;
    this.queue = new WorkQueue({ clock: options.clock, ...RETRY_MS });
  }

  run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.options;
    return runReconciler(
      { name: 'mirror-pod', queue: this.queue, reconciler: this, workers: 4, clock, logger },
      signal,
    );
  }

  /** The static pod of the name came, went, changed, or nothing is left of it. */
  look(key: string): void {
    this.queue.add(key);
  }

  /** A mirror pod of this node, new or changed. */
  seen(mirror: Pod): void {
    const hash = mirroredHash(mirror);
    if (hash === undefined) return;
    const key = keyOf(mirror);
    this.mirrors.set(key, mirror);
    this.options.onMirror(hash, mirror.metadata.deletionTimestamp === undefined ? mirror : undefined);
    if (this.actionFor(key).kind !== 'none') this.queue.add(key);
  }

  /** The API has forgotten it. */
  gone(mirror: Pod): void {
    const hash = mirroredHash(mirror);
    const key = keyOf(mirror);
    if (hash === undefined || this.mirrors.get(key)?.metadata.uid !== mirror.metadata.uid) return;
    this.mirrors.delete(key);
    this.options.onMirror(hash, undefined);
    if (mirror.metadata.deletionTimestamp === undefined) this.queue.add(key);
    else this.queue.addAfter(key, ABSENCE_MS);
  }

  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    switch (this.actionFor(key).kind) {
      case 'none':
        return 'awaitChange';
      case 'create':
        return this.create(key, signal);
      case 'delete':
        return this.delete(key, signal);
    }
  }

  private actionFor(key: string): ReturnType<typeof mirrorAction> {
    const { staticPod, isEnding } = this.options;
    const mirror = this.mirrors.get(key);
    return mirrorAction(staticPod(key), mirror, mirror !== undefined && isEnding(mirroredHash(mirror) ?? ''));
  }

  private async create(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { client, logger, nodeUid, staticPod } = this.options;
    const pod = staticPod(key);
    const owner = nodeUid();
    if (pod === undefined) return 'awaitChange';
    if (owner === undefined) return { afterMs: NODE_WAIT_MS };
    try {
      this.seen(await client.of(pods).create(mirrorPod(pod, owner), { signal }));
      return 'awaitChange';
    } catch (error) {
      if (!hasReason(error, 'AlreadyExists')) throw error;
      const ref = { namespace: pod.metadata.namespace, name: pod.metadata.name ?? '' };
      const other = await client.of(pods).get(ref, signal);
      if (mirroredHash(other) !== undefined && other.spec.nodeName === pod.spec.nodeName) {
        this.seen(other);
        return { afterMs: 0 };
      }
      logger.warn({ pod: key }, 'The API shows another pod under the name of a static pod; that runs on unseen');
      return { afterMs: TAKEN_RETRY_MS };
    }
  }

  private async delete(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { client } = this.options;
    const mirror = this.mirrors.get(key);
    if (mirror === undefined) return 'awaitChange';
    const ref = { namespace: mirror.metadata.namespace, name: mirror.metadata.name ?? '' };
    try {
      await client.of(pods).delete(ref, { gracePeriodSeconds: 0, preconditions: { uid: uidOf(mirror) }, signal });
    } catch (error) {
      if (!isNotFound(error) && !hasReason(error, 'Conflict')) throw error;
    }
    this.gone(mirror);
    return 'awaitChange';
  }
}
