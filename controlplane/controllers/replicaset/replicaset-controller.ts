/**
 * Keeps as many pods as a ReplicaSet or a ReplicationController asks for.
 *
 * - Pods that were made or deleted and do not show in the informer yet are counted from memory (PendingWrites), so none is made twice.
 * - Pods are made in growing batches: a template that the API refuses costs one call, not hundreds.
 */
import type { ReplicaSetStatus } from '../../../proto/api/apps-v1.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { pods, type AnyObject } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { errorText } from '../../../machinery/meta/error-text.ts';
import { compileLabelSelector, type LabelSelector } from '../../../machinery/meta/label-selector.ts';
import { controllerOf, splitKey } from '../../../machinery/meta/object.ts';
import { addOwnerIndexes, BY_CONTROLLER, claimChildren } from '../runtime/child-claims.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { PodControl } from '../runtime/pod-control.ts';
import { podFromTemplate } from '../runtime/plan/pod-from-template.ts';
import { sameStatus } from '../runtime/plan/same-status.ts';
import { slowStart } from '../runtime/slow-start.ts';
import { watchOwnedPods } from '../runtime/watch-owned-pods.ts';
import { planReplicas, planStatus } from './plan.ts';
import type { ReplicaKind } from './replica-kind.ts';
import { writeStatus } from '../runtime/write-object.ts';

type Failure = { reason: 'FailedCreate' | 'FailedDelete'; message: string };

export class ReplicaSetController<T extends AnyObject> implements Controller, Reconciler {
  readonly name: string;
  private readonly kind: ReplicaKind<T>;
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly sets: Informer<T>;
  private readonly pods: Informer<Pod>;
  private readonly control: PodControl<T>;

  constructor(context: ControllerContext, kind: ReplicaKind<T>) {
    this.name = kind.controllerName;
    this.kind = kind;
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.sets = context.informers.informer(kind.resource);
    this.pods = context.informers.informer(pods);
    this.control = new PodControl(context, kind.resource, this.pods);
    addOwnerIndexes(this.sets);
    addOwnerIndexes(this.pods);
    watchOwnedPods({
      queue: this.queue,
      owners: this.sets,
      pods: this.pods,
      pending: this.control.pending,
      selectorOf: set => this.selectorOf(set),
    });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    return runQueue({ name, context, queue, reconciler: this, informers: [this.sets, this.pods], workers: 8 }, signal);
  }

  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { namespace, name } = splitKey(key);
    const set = this.sets.lister.get(namespace, name);
    if (set === undefined) return 'awaitChange';
    const { client, clock } = this.context;
    const selector = this.selectorOf(set);
    const claim = { client, owner: set, ownerResource: this.kind.resource, selector, informer: this.pods, signal };
    const claimed = await claimChildren(claim);
    const uid = set.metadata.uid ?? '';
    const before = this.control.pending.overlay(uid, claimed).objects;
    const failure = await this.manage(set, before, signal);
    // Read again: what was made or deleted just now counts.
    const listed = this.pods.lister.byIndex(BY_CONTROLLER, uid).filter(pod => selector.matches(pod.metadata.labels));
    const { objects } = this.control.pending.overlay(uid, listed);
    const { status, afterMs } = planStatus(this.kind.asReplicaSet(set), objects, failure?.told, clock.now());
    await this.writeStatus(set, status, signal);
    if (failure !== undefined) throw failure.error;
    return afterMs === undefined ? 'awaitChange' : { afterMs };
  }

  private async manage(
    set: T,
    owned: readonly Pod[],
    signal: AbortSignal,
  ): Promise<{ told: Failure; error: unknown } | undefined> {
    const plan = planReplicas(this.kind.asReplicaSet(set), owned, this.related(set, owned));
    let told: Failure | undefined;
    try {
      await slowStart(Array.from({ length: plan.create }), () => this.createPod(set, signal));
      if (plan.delete.length > 0) await Promise.all(plan.delete.map(pod => this.control.delete(set, pod, signal)));
      return undefined;
    } catch (error) {
      signal.throwIfAborted();
      const message = errorText(error);
      told = { reason: plan.create > 0 ? 'FailedCreate' : 'FailedDelete', message };
      return { told, error };
    }
  }

  private async createPod(set: T, signal: AbortSignal): Promise<void> {
    const template = this.kind.asReplicaSet(set).spec?.template;
    if (template === undefined) return;
    await this.control.create(set, podFromTemplate(template, set, this.kind.resource), signal);
  }

  /** Pods of all sets with the same owner, as a Deployment has them. */
  private related(set: T, owned: readonly Pod[]): readonly Pod[] {
    const owner = controllerOf(set);
    if (owner === undefined) return owned;
    const siblings = this.sets.lister.byIndex(BY_CONTROLLER, owner.uid);
    return siblings.flatMap(sibling => this.pods.lister.byIndex(BY_CONTROLLER, sibling.metadata.uid ?? ''));
  }

  private async writeStatus(set: T, status: ReplicaSetStatus, signal: AbortSignal): Promise<void> {
    const { metadata, status: old } = this.kind.asReplicaSet(set);
    const next = this.kind.withStatus(set, status);
    // A status with zeros alone is written once, so that it says that the controller saw the set.
    const same = sameStatus(old, this.kind.asReplicaSet(next).status ?? {});
    if (old?.observedGeneration === metadata.generation && same) return;
    await writeStatus(this.context.client, this.kind.resource, next, signal);
  }

  private selectorOf(set: T): LabelSelector {
    return compileLabelSelector(this.kind.asReplicaSet(set).spec?.selector);
  }
}
