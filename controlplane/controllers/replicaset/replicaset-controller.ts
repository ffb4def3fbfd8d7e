/**
 * Keeps as many pods as a ReplicaSet or a ReplicationController asks for.
 *
 * - Pods that were made or deleted and do not show in the informer yet are counted from memory (PendingWrites), so none is made twice.
 * - Pods are made in growing batches: a template that the API refuses costs one call, not hundreds.
 */
import type { ReplicaSetStatus } from '../../../proto/api/apps-v1.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { pods, type AnyObject } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { compileLabelSelector, type LabelSelector } from '../../../machinery/meta/label-selector.ts';
import { controllerOf, keyOf, objectKey, splitKey } from '../../../machinery/meta/object.ts';
import { hasReason, isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { addOwnerIndexes, BY_CONTROLLER, claimChildren } from '../runtime/child-claims.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { PendingWrites } from '../runtime/pending-writes.ts';
import { podFromTemplate } from '../runtime/plan/pod-from-template.ts';
import { sameStatus } from '../runtime/plan/same-status.ts';
import { slowStart } from '../runtime/slow-start.ts';
import { planReplicas, planStatus } from './plan.ts';
import type { ReplicaKind } from './replica-kind.ts';

type Failure = { reason: 'FailedCreate' | 'FailedDelete'; message: string };

export class ReplicaSetController<T extends AnyObject> implements Controller, Reconciler {
  readonly name: string;
  private readonly kind: ReplicaKind<T>;
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly sets: Informer<T>;
  private readonly pods: Informer<Pod>;
  private readonly pending: PendingWrites<Pod>;

  constructor(context: ControllerContext, kind: ReplicaKind<T>) {
    this.name = kind.controllerName;
    this.kind = kind;
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.pending = new PendingWrites(context.clock);
    this.sets = context.informers.informer(kind.resource);
    this.pods = context.informers.informer(pods);
    addOwnerIndexes(this.sets);
    addOwnerIndexes(this.pods);
    this.sets.addHandler({
      onAdd: set => this.queue.add(keyOf(set)),
      onUpdate: (_older, set) => this.queue.add(keyOf(set)),
      onDelete: set => {
        this.pending.forget(set.metadata.uid ?? '');
        this.queue.add(keyOf(set));
      },
    });
    this.pods.addHandler({
      onAdd: pod => this.onPod(pod, false),
      onUpdate: (older, pod) => {
        if (controllerOf(older)?.uid !== controllerOf(pod)?.uid) this.onPod(older, true);
        this.onPod(pod, false);
      },
      onDelete: pod => this.onPod(pod, true),
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
    const before = this.pending.overlay(uid, claimed).objects;
    const failure = await this.manage(set, before, signal);
    // Read again: what was made or deleted just now counts.
    const listed = this.pods.lister.byIndex(BY_CONTROLLER, uid).filter(pod => selector.matches(pod.metadata.labels));
    const { objects } = this.pending.overlay(uid, listed);
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
      if (plan.create > 0) await slowStart(plan.create, () => this.createPod(set, signal));
      if (plan.delete.length > 0) await Promise.all(plan.delete.map(pod => this.deletePod(set, pod, signal)));
      return undefined;
    } catch (error) {
      signal.throwIfAborted();
      const message = error instanceof Error ? error.message : String(error);
      told = { reason: plan.create > 0 ? 'FailedCreate' : 'FailedDelete', message };
      return { told, error };
    }
  }

  private async createPod(set: T, signal: AbortSignal): Promise<void> {
    const { client, events } = this.context;
    const template = this.kind.asReplicaSet(set).spec?.template;
    if (template === undefined) return;
    const subject = subjectOf(this.kind.resource, set);
    try {
      const pod = await client.of(pods).create(podFromTemplate(template, set, this.kind.resource), { signal });
      if (this.pods.lister.get(pod.metadata.namespace, pod.metadata.name ?? '') === undefined) {
        this.pending.noteCreated(set.metadata.uid ?? '', pod);
      }
      events.event(subject, 'Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata.name}`);
    } catch (error) {
      // A namespace that is going away refuses for good; the set goes with it.
      if (isNamespaceTerminating(error)) return;
      if (signal.aborted) throw error;
      events.event(
        subject,
        'Warning',
        'FailedCreate',
        `Error creating: ${error instanceof Error ? error.message : String(error)}`,
      );
      throw error;
    }
  }

  private async deletePod(set: T, pod: Pod, signal: AbortSignal): Promise<void> {
    const { client, events } = this.context;
    const { namespace, name = '', uid } = pod.metadata;
    const owner = set.metadata.uid ?? '';
    this.pending.noteDeleted(owner, pod);
    try {
      await client.of(pods).delete({ namespace, name }, { preconditions: { uid }, signal });
      events.event(subjectOf(this.kind.resource, set), 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`);
    } catch (error) {
      this.pending.seen(owner, pod, true);
      if (!isNotFound(error)) throw error;
    }
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
    try {
      await this.context.client.of(this.kind.resource).updateStatus(next, { signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  private selectorOf(set: T): LabelSelector {
    return compileLabelSelector(this.kind.asReplicaSet(set).spec?.selector);
  }

  private onPod(pod: Pod, gone: boolean): void {
    const owner = controllerOf(pod);
    const namespace = pod.metadata.namespace ?? '';
    if (owner === undefined) {
      if (!gone && pod.metadata.deletionTimestamp === undefined) this.wakeMatching(pod);
      return;
    }
    if (owner.kind !== this.kind.resource.kind) return;
    this.pending.seen(owner.uid, pod, gone);
    this.queue.add(objectKey(namespace, owner.name));
  }

  /** An orphan: every set that could adopt it looks. */
  private wakeMatching(pod: Pod): void {
    for (const set of this.sets.lister.list(pod.metadata.namespace)) {
      const selector = this.selectorOf(set);
      if (!selector.isEmpty && selector.matches(pod.metadata.labels)) this.queue.add(keyOf(set));
    }
  }
}

function isNamespaceTerminating(error: unknown): boolean {
  return (
    hasReason(error, 'Forbidden') && error.details?.causes?.some(c => c.reason === 'NamespaceTerminating') === true
  );
}
