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
import type { AnyObject } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { errorText } from '../../../machinery/meta/error-text.ts';
import { compileLabelSelector, type LabelSelector } from '../../../machinery/meta/label-selector.ts';
import { controllerOf, splitKey } from '../../../machinery/meta/object.ts';
import { addOwnerIndexes, BY_CONTROLLER } from '../runtime/child-claims.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { OwnedPods } from '../runtime/owned-pods.ts';
import { forAll } from '../runtime/for-all.ts';
import { isPodActive } from '../runtime/plan/pod-state.ts';
import { podFromTemplate } from '../runtime/plan/pod-from-template.ts';
import { sameStatus } from '../runtime/plan/same-status.ts';
import { slowStart } from '../runtime/slow-start.ts';
import { planReplicas, planStatus } from './plan/replica-plan.ts';
import type { ReplicaKind } from './replica-kind.ts';
import { writeStatus } from '../runtime/write-object.ts';

type Failure = { reason: 'FailedCreate' | 'FailedDelete'; message: string };

export class ReplicaSetController<T extends AnyObject> implements Controller, Reconciler {
  readonly name: string;
  private readonly kind: ReplicaKind<T>;
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly sets: Informer<T>;
  private readonly owned: OwnedPods<T>;

  constructor(context: ControllerContext, kind: ReplicaKind<T>) {
    this.name = kind.controllerName;
    this.kind = kind;
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.sets = context.informers.informer(kind.resource);
    addOwnerIndexes(this.sets);
    const selectorOf = (set: T): LabelSelector => compileLabelSelector(kind.asReplicaSet(set).spec?.selector);
    this.owned = new OwnedPods({ context, queue: this.queue, owners: this.sets, selectorOf, mayAdopt: isPodActive });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    return runQueue(
      { name, context, queue, reconciler: this, informers: [this.sets, this.owned.informer], workers: 8 },
      signal,
    );
  }

  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { namespace, name } = splitKey(key);
    const set = this.sets.lister.get(namespace, name);
    if (set === undefined) return 'awaitChange';
    const failure = await this.manage(set, await this.owned.claim(set, signal), signal);
    // Read again: what was made or deleted just now counts.
    const pods = this.owned.of(set);
    const { status, afterMs } = planStatus(this.kind.asReplicaSet(set), pods, failure?.told, this.context.clock.now());
    await this.writeStatus(set, status, signal);
    if (failure !== undefined) throw failure.error;
    return afterMs === undefined ? 'awaitChange' : { afterMs };
  }

  private async manage(
    set: T,
    owned: readonly Pod[],
    signal: AbortSignal,
  ): Promise<{ told: Failure; error: unknown } | undefined> {
    const nowMs = this.context.clock.now();
    const plan = planReplicas(this.kind.asReplicaSet(set), owned, () => this.related(set, owned), nowMs);
    let told: Failure | undefined;
    try {
      await slowStart(Array.from({ length: plan.create }), () => this.createPod(set, signal));
      await forAll(plan.delete, pod => this.owned.control.delete(set, pod, signal));
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
    await this.owned.control.create(set, podFromTemplate(template, set, this.kind.resource), signal);
  }

  /** Pods of all sets with the same owner, as a Deployment has them. */
  private related(set: T, owned: readonly Pod[]): readonly Pod[] {
    const owner = controllerOf(set);
    if (owner === undefined) return owned;
    const siblings = this.sets.lister.byIndex(BY_CONTROLLER, owner.uid);
    return siblings.flatMap(sibling => this.owned.informer.lister.byIndex(BY_CONTROLLER, sibling.metadata.uid ?? ''));
  }

  private async writeStatus(set: T, status: ReplicaSetStatus, signal: AbortSignal): Promise<void> {
    const { metadata, status: old } = this.kind.asReplicaSet(set);
    const next = this.kind.withStatus(set, status);
    // A status with zeros alone is written once, so that it says that the controller saw the set.
    const same = sameStatus(old, this.kind.asReplicaSet(next).status ?? {});
    if (old?.observedGeneration === metadata.generation && same) return;
    await writeStatus(this.context.client, this.kind.resource, next, signal);
  }
}
