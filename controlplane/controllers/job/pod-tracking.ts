/**
 * The finalizer that keeps ended pods until their job has counted them: put on, taken off, and remembered where it is off although the
 * informer does not show it yet.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { Client } from '../../../machinery/client/client.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import { pods } from '../../../machinery/client/resource.ts';
import { hasReason, isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { slowStart } from '../runtime/slow-start.ts';
import { isTracked, TRACKING_FINALIZER } from './plan/job-pod.ts';

export class PodTracking {
  private readonly client: Client;
  private readonly informer: Informer<Pod>;
  private readonly off = new Set<string>();

  constructor(client: Client, informer: Informer<Pod>) {
    this.client = client;
    this.informer = informer;
    informer.addHandler({
      onUpdate: (_older, pod) => {
        if (!isTracked(pod)) this.off.delete(pod.metadata.uid ?? '');
      },
      onDelete: pod => this.off.delete(pod.metadata.uid ?? ''),
    });
  }

  /** Uids of pods without the finalizer that the informer still shows with it. */
  get released(): ReadonlySet<string> {
    return this.off;
  }

  /** That a pod is gone is fine. @throws StatusError */
  release(tracked: readonly Pod[], signal: AbortSignal): Promise<void> {
    return slowStart(tracked, pod => this.releaseOne(pod, signal));
  }

  /** That a pod is gone or going is fine. @throws StatusError */
  track(untracked: readonly Pod[], signal: AbortSignal): Promise<void> {
    return slowStart(untracked, async pod => {
      try {
        await this.patch(pod, { finalizers: [TRACKING_FINALIZER] }, signal);
      } catch (error) {
        if (!hasReason(error, 'NotFound', 'Invalid')) throw error;
      }
    });
  }

  private async releaseOne(pod: Pod, signal: AbortSignal): Promise<void> {
    const { uid = '' } = pod.metadata;
    if (!isTracked(pod) || this.off.has(uid)) return;
    this.off.add(uid);
    try {
      await this.patch(pod, { '$deleteFromPrimitiveList/finalizers': [TRACKING_FINALIZER] }, signal);
    } catch (error) {
      this.off.delete(uid);
      if (!isNotFound(error)) throw error;
    }
    // The informer may have been faster.
    const shown = this.informer.lister.get(pod.metadata.namespace, pod.metadata.name ?? '');
    if (shown?.metadata.uid !== uid || !isTracked(shown)) this.off.delete(uid);
  }

  private async patch(pod: Pod, metadata: object, signal: AbortSignal): Promise<void> {
    const { namespace, name = '', uid } = pod.metadata;
    const patch = { metadata: { uid, ...metadata } };
    await this.client.of(pods).patch({ namespace, name }, patch, { type: 'strategic', signal });
  }
}
