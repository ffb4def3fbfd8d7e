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
import { isDeleting, keyOf, splitKey, type KubeObject } from '../../../machinery/meta/object.ts';
import type { Amounts } from '../../../machinery/meta/pod-resources.ts';
import { objectUsage, quotaCounts, type CountedKind } from '../../../machinery/meta/quota-usage.ts';
import { parseTime } from '../../../machinery/meta/time.ts';
import { aborted } from '../../../machinery/process/aborted.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { isPodTerminal } from '../runtime/plan/pod-state.ts';
import { writeStatus } from '../runtime/write-object.ts';
import { planQuota, SETTLE_MS, sumUsage } from './plan.ts';
import { RecentCharges } from './recent-charges.ts';

const COUNTABLE = kinds.filter(kind => kind.namespaced && kind.kind !== 'Event');
/** Kinds of which more is counted than their number. */
const MEASURED = new Set(['pods', 'services', 'persistentvolumeclaims', 'resourceclaims.resource.k8s.io']);
/** Objects come and go by the hundred: they are counted together. */
const GATHER_MS = 25;

export class ResourceQuotaController implements Controller, Reconciler {
  readonly name = 'resourcequota-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly quotas: Informer<ResourceQuota>;
  private readonly watched = new Map<KindInfo, Informer<AnyObject>>();
  private readonly charges: RecentCharges;
  /** By object, as long as it is the newest: a large namespace is counted often. */
  private readonly usages = new WeakMap<KubeObject, Amounts>();

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.quotas = context.informers.informer(resourceQuotas);
    this.charges = new RecentCharges(context.clock);
    const wake = (older: ResourceQuota | undefined, quota: ResourceQuota): void => {
      this.charges.see(older, quota);
      this.queue.add(keyOf(quota));
    };
    this.quotas.addHandler({
      onAdd: quota => wake(undefined, quota),
      onUpdate: wake,
      onDelete: quota => this.charges.forget(quota),
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
    const usageOf = (kind: CountedKind, object: KubeObject): Amounts => this.usageOf(kind, object);
    const { status, unsettled } = planQuota(quota, sumUsage(quota, counted, usageOf), this.charges.of(key));
    if (status !== undefined) await writeStatus(this.context.client, resourceQuotas, { ...quota, status }, signal);
    const expiryMs = nextPodExpiryMs(counted, clock.now());
    const nextMs = Math.min(unsettled ? SETTLE_MS : Infinity, expiryMs);
    return nextMs === Infinity ? 'awaitChange' : { afterMs: nextMs };
  }

  private usageOf(kind: CountedKind, object: KubeObject): Amounts {
    // What is being deleted counts until it is overdue.
    if (isDeleting(object)) return objectUsage(kind, object, this.context.clock.now());
    let usage = this.usages.get(object);
    if (usage === undefined) this.usages.set(object, (usage = objectUsage(kind, object, 0)));
    return usage;
  }

  private informerOf(kind: KindInfo): Informer<AnyObject> {
    let informer = this.watched.get(kind);
    if (informer === undefined) {
      // Of most kinds it counts alone that they are there.
      const scope = MEASURED.has(kind.group === '' ? kind.resource : `${kind.resource}.${kind.group}`)
        ? {}
        : { ownershipOnly: true };
      informer = this.context.informers.informer<AnyObject>(kind, scope);
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
      if (Object.keys(quota.spec.hard ?? {}).some(name => quotaCounts(name, kind)))
        this.queue.addAfter(keyOf(quota), GATHER_MS);
    }
  }
}

/** Status changes of running pods are many, and count for nothing. */
function mayCountOtherwise(kind: KindInfo, older: AnyObject, newer: AnyObject): boolean {
  if (kind.group === '' && kind.resource === 'pods') {
    const [before, now] = [older as Pod, newer as Pod];
    return (
      isPodTerminal(before) !== isPodTerminal(now) ||
      before.metadata.deletionTimestamp !== now.metadata.deletionTimestamp ||
      before.metadata.generation !== now.metadata.generation
    );
  }
  return kind.group === '' && (kind.resource === 'services' || kind.resource === 'persistentvolumeclaims');
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
