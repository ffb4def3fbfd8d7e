/**
 * Keeps the numbered pods of a StatefulSet, and the claims that stay when pods come and go.
 */
import type { StatefulSet, StatefulSetStatus } from '../../../proto/api/apps-v1.ts';
import type { PersistentVolumeClaim, PodTemplateSpec } from '../../../proto/api/core-v1.ts';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { persistentVolumeClaims, statefulSets } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { errorText } from '../../../machinery/meta/error-text.ts';
import { compileLabelSelector, type LabelSelector } from '../../../machinery/meta/label-selector.ts';
import { splitKey } from '../../../machinery/meta/object.ts';
import { isAlreadyExists } from '../../../machinery/meta/status-error-from.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { OwnedPods } from '../runtime/owned-pods.ts';
import { REVISION_LABEL } from '../runtime/plan/revisions.ts';
import { sameStatus } from '../runtime/plan/same-status.ts';
import { HashCollisionError, RevisionHistory, type History } from '../runtime/revision-history.ts';
import { slowStart } from '../runtime/slow-start.ts';
import { claimOwners, claimsOf, ordinalOf, statefulPod } from './plan/identity.ts';
import {
  planStateful,
  planStatefulStatus,
  sortPods,
  type StatefulPlan,
  type StatefulView,
} from './plan/stateful-plan.ts';
import { writeStatus } from '../runtime/write-object.ts';

export class StatefulSetController implements Controller, Reconciler {
  readonly name = 'statefulset-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly sets: Informer<StatefulSet>;
  private readonly claims: Informer<PersistentVolumeClaim>;
  private readonly owned: OwnedPods<StatefulSet>;
  private readonly history: RevisionHistory<StatefulSet>;

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.sets = context.informers.informer(statefulSets);
    this.claims = context.informers.informer(persistentVolumeClaims);
    this.owned = new OwnedPods({ context, queue: this.queue, owners: this.sets, selectorOf });
    this.history = new RevisionHistory(context, statefulSets, this.queue);
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    const informers = [this.sets, this.owned.informer, this.claims, this.history.informer];
    return runQueue({ name, context, queue, reconciler: this, informers }, signal);
  }

  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { namespace, name } = splitKey(key);
    const set = this.sets.lister.get(namespace, name);
    if (set === undefined) return 'awaitChange';
    await this.owned.claim(set, signal);
    // Each step depends on what the one before has brought.
    if (this.owned.isBehind(set)) return 'awaitChange';
    const history = await this.syncHistory(set, selectorOf(set), signal);
    if (history === undefined) return 'awaitChange';
    const updateRevision = history.current.metadata.name ?? '';
    const known = [history.current, ...history.old].map(revision => revision.metadata.name);
    const stored = set.status?.currentRevision;
    const currentRevision = stored !== undefined && known.includes(stored) ? stored : updateRevision;
    const view = (): StatefulView => {
      return { set, pods: this.owned.of(set), currentRevision, updateRevision, nowMs: this.context.clock.now() };
    };
    const failure = await this.act(view(), history, signal).then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    signal.throwIfAborted();
    const { status, afterMs } = planStatefulStatus(view());
    await this.writeStatus(set, status, signal);
    const live = new Set([
      updateRevision,
      currentRevision,
      ...view().pods.map(pod => pod.metadata.labels?.[REVISION_LABEL]),
    ]);
    await this.history.clean(
      history.old,
      revision => live.has(revision.metadata.name),
      set.spec.revisionHistoryLimit,
      signal,
    );
    if (failure !== undefined) throw failure.error;
    return afterMs === undefined ? 'awaitChange' : { afterMs };
  }

  private async syncHistory(
    set: StatefulSet,
    selector: LabelSelector,
    signal: AbortSignal,
  ): Promise<History | undefined> {
    const collisionCount = set.status?.collisionCount;
    try {
      // None until there was a collision: 0 and none must give the same hash.
      const count = collisionCount === 0 ? undefined : collisionCount;
      const owned = { owner: set, template: set.spec.template, selector, collisionCount: count };
      return await this.history.sync(owned, signal);
    } catch (error) {
      if (!(error instanceof HashCollisionError)) throw error;
      const status = { replicas: 0, ...set.status, collisionCount: (collisionCount ?? 0) + 1 };
      await this.writeStatus(set, status, signal);
      return undefined;
    }
  }

  private async act(view: StatefulView, history: History, signal: AbortSignal): Promise<void> {
    const plan = planStateful(view);
    const { set } = view;
    await this.settleClaims(view, signal);
    this.tellEnded(set, plan);
    const templates = new Map<string | undefined, PodTemplateSpec>(
      [...history.old, history.current].map(({ metadata, data }) => [metadata.name, templateIn(data)]),
    );
    await slowStart(plan.create, async ({ ordinal, revision }) => {
      await this.ensureClaims(set, ordinal, signal);
      const template = templates.get(revision) ?? set.spec.template;
      await this.owned.control.create(set, statefulPod(set, template, ordinal, revision), signal);
    });
    await Promise.all(plan.delete.map(pod => this.owned.control.delete(set, pod, signal)));
  }

  private tellEnded(set: StatefulSet, plan: StatefulPlan): void {
    for (const { metadata, status } of plan.ended) {
      const reason = status?.phase === 'Failed' ? 'RecreatingFailedPod' : 'RecreatingTerminatedPod';
      const state = status?.phase === 'Failed' ? 'failed' : 'terminated';
      const message = `StatefulSet ${metadata.namespace}/${set.metadata.name} is recreating ${state} Pod ${metadata.name}`;
      this.context.events.event(subjectOf(statefulSets, set), 'Warning', reason, message);
    }
  }

  /** @throws StatusError; the pod waits for its claims */
  private async ensureClaims(set: StatefulSet, ordinal: number, signal: AbortSignal): Promise<void> {
    const { client, events } = this.context;
    for (const claim of claimsOf(set, ordinal)) {
      const { namespace, name = '' } = claim.metadata;
      if (this.claims.lister.get(namespace, name) !== undefined) continue;
      const subject = subjectOf(statefulSets, set);
      const ownerReferences = claimOwners(set, undefined, false, []);
      const owned =
        ownerReferences.length === 0 ? claim.metadata : { ...claim.metadata, ownerReferences: [...ownerReferences] };
      try {
        await client.of(persistentVolumeClaims).create({ ...claim, metadata: owned }, { signal });
        events.event(subject, 'Normal', 'SuccessfulCreate', `Created claim: ${name}`);
      } catch (error) {
        if (isAlreadyExists(error)) continue;
        const why = errorText(error);
        events.event(subject, 'Warning', 'FailedCreate', `Error creating claim ${name}: ${why}`);
        throw error;
      }
    }
  }

  /** Gives claims the owners that the retention policy says, before a pod goes that they should go with. */
  private async settleClaims(view: StatefulView, signal: AbortSignal): Promise<void> {
    const { set } = view;
    if ((set.spec.volumeClaimTemplates ?? []).length === 0) return;
    const { wanted, condemned } = sortPods(view);
    const all = [
      ...wanted.map(({ ordinal, pod }) => ({ ordinal, pod, isCondemned: false })),
      ...condemned.map(pod => ({ ordinal: ordinalOf(set, pod), pod, isCondemned: true })),
    ];
    for (const { ordinal, pod, isCondemned } of all) {
      for (const { metadata } of claimsOf(set, ordinal)) {
        const claim = this.claims.lister.get(metadata.namespace, metadata.name ?? '');
        if (claim === undefined || claim.metadata.deletionTimestamp !== undefined) continue;
        const before = claim.metadata.ownerReferences ?? [];
        const ownerReferences = claimOwners(set, pod, isCondemned, before);
        if (ownerReferences === before) continue;
        const next = { ...claim, metadata: { ...claim.metadata, ownerReferences: [...ownerReferences] } };
        await this.context.client.of(persistentVolumeClaims).update(next, { signal });
      }
    }
  }

  private async writeStatus(set: StatefulSet, status: StatefulSetStatus, signal: AbortSignal): Promise<void> {
    if (set.status?.observedGeneration === status.observedGeneration && sameStatus(set.status, status)) return;
    await writeStatus(this.context.client, statefulSets, { ...set, status }, signal);
  }
}

function selectorOf(set: StatefulSet): LabelSelector {
  return compileLabelSelector(set.spec.selector);
}

/** The template in a revision's data, which is a patch. */
function templateIn(data: unknown): PodTemplateSpec {
  const { $patch: _, ...template } = (data as { spec: { template: PodTemplateSpec & { $patch?: string } } }).spec
    .template;
  return template;
}
