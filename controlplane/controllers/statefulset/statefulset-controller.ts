/**
 * Keeps the numbered pods of a StatefulSet, and the claims that stay when pods come and go.
 */
import type { StatefulSet, StatefulSetStatus } from '../../../proto/api/apps-v1.ts';
import type { Pod, PodTemplateSpec } from '../../../proto/api/core-v1.ts';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { pods, statefulSets, type AnyObject } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { compileLabelSelector, type LabelSelector } from '../../../machinery/meta/label-selector.ts';
import { isDeleting, keyOf, splitKey } from '../../../machinery/meta/object.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { forAll } from '../runtime/for-all.ts';
import { OwnedPods } from '../runtime/owned-pods.ts';
import type { PodTexts } from '../runtime/pod-control.ts';
import { REVISION_LABEL } from '../runtime/plan/revisions.ts';
import { sameStatus } from '../runtime/plan/same-status.ts';
import { HashCollisionError, RevisionHistory, type History } from '../runtime/revision-history.ts';
import { slowStart } from '../runtime/slow-start.ts';
import { missingIdentity, ordinalOf, podName, statefulPod } from './plan/identity.ts';
import {
  planStateful,
  planStatefulStatus,
  sortPods,
  type StatefulPlan,
  type StatefulView,
} from './plan/stateful-plan.ts';
import { writeStatus } from '../runtime/write-object.ts';
import { StatefulClaims } from './stateful-claims.ts';

const isMember = (set: StatefulSet, pod: Pod): boolean => ordinalOf(set, pod) >= 0;

const told =
  (verb: string) =>
  (set: AnyObject, pod: string, error: string | undefined): string =>
    `${verb} Pod ${pod} in StatefulSet ${set.metadata.name} ${error === undefined ? 'successful' : `failed error: ${error}`}`;
const texts: PodTexts = { create: told('create'), delete: told('delete') };

export class StatefulSetController implements Controller, Reconciler {
  readonly name = 'statefulset-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly sets: Informer<StatefulSet>;
  private readonly claims: StatefulClaims;
  private readonly owned: OwnedPods<StatefulSet>;
  private readonly history: RevisionHistory<StatefulSet>;

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.sets = context.informers.informer(statefulSets);
    this.claims = new StatefulClaims(context, this.sets, this.queue);
    this.owned = new OwnedPods({ context, queue: this.queue, owners: this.sets, selectorOf, isMember, texts });
    this.history = new RevisionHistory(context, statefulSets, this.queue);
    this.owned.informer.addHandler({ onDelete: pod => this.onOther(pod) });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    const informers = [this.sets, this.owned.informer, this.claims.informer, this.history.informer];
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
    const unused = history.old.filter(({ metadata }) => !live.has(metadata.name));
    await this.history.clean(unused, () => false, set.spec.revisionHistoryLimit, signal);
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
    await this.claims.settleOwners(view, signal);
    await this.identify(view, signal);
    this.tellEnded(set, plan);
    const templates = new Map<string | undefined, PodTemplateSpec>(
      [...history.old, history.current].map(({ metadata, data }) => [metadata.name, templateIn(data)]),
    );
    for (const { ordinal, pod } of sortPods(view).wanted) {
      if (pod?.status?.phase === 'Pending') await this.claims.ensure(set, ordinal, pod, signal);
    }
    const free = plan.create.filter(({ ordinal }) => this.isFree(set, ordinal));
    await slowStart(free, async ({ ordinal, revision }) => {
      if (!(await this.claims.ensure(set, ordinal, undefined, signal))) return;
      const template = templates.get(revision) ?? set.spec.template;
      await this.owned.control.create(set, statefulPod(set, template, ordinal, revision), signal);
    });
    await forAll(plan.delete, pod => this.owned.control.delete(set, pod, signal));
  }

  /** Whether nobody else's pod has the name; if one has, its end is waited for. */
  private isFree(set: StatefulSet, ordinal: number): boolean {
    const name = podName(set, ordinal);
    if (this.owned.informer.lister.get(set.metadata.namespace, name) === undefined) return true;
    const text = texts.create(set, name, `pods "${name}" already exists`);
    this.context.events.event(subjectOf(statefulSets, set), 'Warning', 'FailedCreate', text);
    return false;
  }

  /** A pod that is not the set's may stand in the way of one of its own. */
  private onOther({ metadata }: Pod): void {
    const set = this.sets.lister.get(metadata.namespace, (metadata.name ?? '').replace(/-\d+$/, ''));
    if (set !== undefined) this.queue.add(keyOf(set));
  }

  private tellEnded(set: StatefulSet, plan: StatefulPlan): void {
    for (const { metadata, status } of plan.ended) {
      const reason = status?.phase === 'Failed' ? 'RecreatingFailedPod' : 'RecreatingTerminatedPod';
      const state = status?.phase === 'Failed' ? 'failed' : 'terminated';
      const message = `StatefulSet ${metadata.namespace}/${set.metadata.name} is recreating ${state} Pod ${metadata.name}`;
      this.context.events.event(subjectOf(statefulSets, set), 'Warning', reason, message);
    }
  }

  /** What was adopted may lack what makes it the set's own. */
  private async identify({ set, pods: owned }: StatefulView, signal: AbortSignal): Promise<void> {
    for (const pod of owned) {
      const labels = isDeleting(pod) ? undefined : missingIdentity(set, pod);
      if (labels === undefined) continue;
      const { namespace, name = '', uid } = pod.metadata;
      await this.context.client
        .of(pods)
        .patch({ namespace, name }, { metadata: { uid, labels } }, { type: 'strategic', signal });
      const text = `update Pod ${name} in StatefulSet ${set.metadata.name} successful`;
      this.context.events.event(subjectOf(statefulSets, set), 'Normal', 'SuccessfulUpdate', text);
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
