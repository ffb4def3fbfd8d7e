/**
 * Counts what namespaces use of their quotas. Admission adds what comes; this gives back what goes, and mends what is wrong.
 *
 * Kinds are watched from the moment that some quota counts them.
 */
import { kinds, type KindInfo } from '../../../proto/api/kinds.ts';
import type { Pod, ResourceQuota } from '../../../proto/api/core-v1.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { resourceQuotas, type AnyObject } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { keyOf, splitKey } from '../../../machinery/meta/object.ts';
import { quotaCounts } from '../../../machinery/meta/quota-usage.ts';
import { parseTime } from '../../../machinery/meta/time.ts';
import { aborted } from '../../../machinery/process/aborted.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { isPodTerminal } from '../runtime/plan/pod-state.ts';
import { planQuota } from './plan.ts';
import { writeStatus } from '../runtime/write-object.ts';

const COUNTABLE = kinds.filter(kind => kind.namespaced && kind.kind !== 'Event');

export class ResourceQuotaController implements Controller, Reconciler {
  readonly name = 'resourcequota-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly quotas: Informer<ResourceQuota>;
  private readonly watched = new Map<KindInfo, Informer<AnyObject>>();
  /** When each quota was last seen to change, in monotonic milliseconds. */
  private readonly changedMs = new Map<string, number>();

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.quotas = context.informers.informer(resourceQuotas);
    const wake = (quota: ResourceQuota): void => {
      const key = keyOf(quota);
      this.changedMs.set(key, context.clock.monotonicMs());
      this.queue.add(key);
    };
    this.quotas.addHandler({
      onAdd: wake,
      onUpdate: (_older, quota) => wake(quota),
      onDelete: quota => void this.changedMs.delete(keyOf(quota)),
    });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    return runQueue({ name, context, queue, reconciler: this, informers: [this.quotas] }, signal);
  }

  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { namespace, name } = splitKey(key);
    const { clock } = this.context;
    const names = Object.keys(this.quotas.lister.get(namespace, name)?.spec.hard ?? {});
    const kindsCounted = COUNTABLE.filter(kind => names.some(each => quotaCounts(each, kind)));
    const informers = kindsCounted.map(kind => this.informerOf(kind));
    await Promise.race([Promise.all(informers.map(informer => informer.synced())), aborted(signal)]);
    signal.throwIfAborted();
    const quota = this.quotas.lister.get(namespace, name);
    if (quota === undefined || quota.metadata.deletionTimestamp !== undefined) return 'awaitChange';
    const counted = new Map(kindsCounted.map(kind => [kind, this.informerOf(kind).lister.list(namespace)]));
    const quietMs = clock.monotonicMs() - (this.changedMs.get(key) ?? 0);
    const { status, afterMs } = planQuota(quota, counted, clock.now(), quietMs);
    if (status !== undefined) await this.write({ ...quota, status }, signal);
    const expiryMs = nextPodExpiryMs(counted, clock.now());
    const nextMs = Math.min(afterMs ?? Infinity, expiryMs);
    return nextMs === Infinity ? 'awaitChange' : { afterMs: nextMs };
  }

  private async write(quota: ResourceQuota, signal: AbortSignal): Promise<void> {
    await writeStatus(this.context.client, resourceQuotas, quota, signal);
  }

  private informerOf(kind: KindInfo): Informer<AnyObject> {
    let informer = this.watched.get(kind);
    if (informer === undefined) {
      informer = this.context.informers.informer<AnyObject>(kind);
      this.watched.set(kind, informer);
      const wake = ({ metadata }: AnyObject): void => this.wakeNamespace(metadata.namespace, kind);
      informer.addHandler({
        onAdd: (object, initial) => (initial ? undefined : wake(object)),
        onUpdate: (older, newer) => (mayCountOtherwise(kind, older, newer) ? wake(newer) : undefined),
        onDelete: wake,
      });
    }
    return informer;
  }

  private wakeNamespace(namespace: string | undefined, kind: KindInfo): void {
    for (const quota of this.quotas.lister.list(namespace)) {
      if (Object.keys(quota.spec.hard ?? {}).some(name => quotaCounts(name, kind))) this.queue.add(keyOf(quota));
    }
  }
}

/** Status changes of running pods are many, and count for nothing. */
function mayCountOtherwise(kind: KindInfo, older: AnyObject, newer: AnyObject): boolean {
  if (kind.group !== '') return false;
  if (kind.resource === 'pods') {
    const [before, now] = [older as Pod, newer as Pod];
    return (
      isPodTerminal(before) !== isPodTerminal(now) ||
      before.metadata.deletionTimestamp !== now.metadata.deletionTimestamp ||
      before.metadata.generation !== now.metadata.generation
    );
  }
  return kind.resource === 'services' || kind.resource === 'persistentvolumeclaims';
}

/** A pod whose deletion is overdue stops to count without any event. */
function nextPodExpiryMs(counted: ReadonlyMap<KindInfo, readonly AnyObject[]>, nowMs: number): number {
  let nextMs = Infinity;
  for (const [kind, objects] of counted) {
    if (kind.kind !== 'Pod') continue;
    for (const { metadata } of objects) {
      if (metadata.deletionTimestamp === undefined) continue;
      const graceMs = (metadata.deletionGracePeriodSeconds ?? 0) * 1000;
      const leftMs = (parseTime(metadata.deletionTimestamp) ?? 0) + graceMs - nowMs;
      if (leftMs >= 0) nextMs = Math.min(nextMs, leftMs + 1);
    }
  }
  return nextMs;
}
