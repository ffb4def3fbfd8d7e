/**
 * Keeps one pod of a DaemonSet on every node that it is for.
 */
import type { DaemonSet, DaemonSetStatus } from '../../../proto/api/apps-v1.ts';
import type { Node } from '../../../proto/api/core-v1.ts';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { daemonSets, nodes } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import { compileLabelSelector, type LabelSelector } from '../../../machinery/meta/label-selector.ts';
import { keyOf, splitKey } from '../../../machinery/meta/object.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { forAll } from '../runtime/for-all.ts';
import { OwnedPods } from '../runtime/owned-pods.ts';
import { hashOf, REVISION_LABEL } from '../runtime/plan/revisions.ts';
import { sameStatus } from '../runtime/plan/same-status.ts';
import { HashCollisionError, RevisionHistory } from '../runtime/revision-history.ts';
import { slowStart } from '../runtime/slow-start.ts';
import { daemonView, planDaemons, planDaemonStatus } from './plan/daemon-plan.ts';
import { FailedDaemons } from './failed-daemons.ts';
import { daemonPod } from './plan/nodes.ts';
import { writeStatus } from '../runtime/write-object.ts';

/** More writes than this in one run wait for the next. */
const BURST = 250;

export class DaemonSetController implements Controller, Reconciler {
  readonly name = 'daemon-set-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly sets: Informer<DaemonSet>;
  private readonly nodes: Informer<Node>;
  private readonly owned: OwnedPods<DaemonSet>;
  private readonly history: RevisionHistory<DaemonSet>;
  private readonly failed: FailedDaemons;

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.sets = context.informers.informer(daemonSets);
    this.nodes = context.informers.informer(nodes);
    this.owned = new OwnedPods({ context, queue: this.queue, owners: this.sets, selectorOf });
    this.history = new RevisionHistory(context, daemonSets, this.queue);
    this.failed = new FailedDaemons(context.clock);
    const wakeAll = (): void => {
      for (const set of this.sets.lister.list()) this.queue.add(keyOf(set));
    };
    this.nodes.addHandler({
      onAdd: wakeAll,
      onUpdate: (older, node) => (mayFitOtherwise(older, node) ? wakeAll() : undefined),
      onDelete: wakeAll,
    });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    const informers = [this.sets, this.owned.informer, this.nodes, this.history.informer];
    return runQueue({ name, context, queue, reconciler: this, informers }, signal);
  }

  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { namespace, name } = splitKey(key);
    const set = this.sets.lister.get(namespace, name);
    if (set === undefined) {
      this.failed.forget(key);
      return 'awaitChange';
    }
    const selector = selectorOf(set);
    if (selector.isEmpty) {
      const why = 'This daemon set is selecting all pods. A non-empty selector is required.';
      this.context.events.event(subjectOf(daemonSets, set), 'Warning', 'SelectingAll', why);
      return 'awaitChange';
    }
    if (set.metadata.deletionTimestamp !== undefined) return 'awaitChange';
    await this.owned.claim(set, signal);
    const { template } = set.spec;
    const owned = { owner: set, template, selector, collisionCount: set.status?.collisionCount };
    const history = await this.history.sync(owned, signal).catch(async (error: unknown) => {
      if (!(error instanceof HashCollisionError)) throw error;
      const status = { ...emptyStatus, ...set.status, collisionCount: (set.status?.collisionCount ?? 0) + 1 };
      await this.writeStatus(set, status, signal);
      return undefined;
    });
    if (history === undefined) return 'awaitChange';
    const hash = hashOf(history.current);
    const retryMs = await this.manage(set, hash, signal);
    const live = new Set(this.owned.of(set).map(pod => pod.metadata.labels?.[REVISION_LABEL]));
    await this.history.clean(
      history.old,
      revision => live.has(hashOf(revision)),
      set.spec.revisionHistoryLimit,
      signal,
    );
    const { status, afterMs } = planDaemonStatus(this.view(set, hash));
    await this.writeStatus(set, status, signal);
    const nextMs = Math.min(afterMs ?? Infinity, retryMs ?? Infinity);
    return nextMs === Infinity ? 'awaitChange' : { afterMs: nextMs };
  }

  /** @returns when a pod that ended by itself may be made again, if that has to be waited for */
  private async manage(set: DaemonSet, hash: string, signal: AbortSignal): Promise<number | undefined> {
    const { events } = this.context;
    const plan = planDaemons(this.view(set, hash));
    const { ready, retryMs } = this.failed.split(set, plan.ended);
    const waiting = new Set(plan.ended.filter(pod => !ready.includes(pod)));
    for (const { metadata, spec, status } of ready) {
      const where = `daemon pod ${metadata.namespace}/${metadata.name} on node ${spec.nodeName}`;
      const subject = subjectOf(daemonSets, set);
      if (status?.phase === 'Failed')
        events.event(subject, 'Warning', 'FailedDaemonPod', `Found failed ${where}, will try to kill it`);
      else events.event(subject, 'Normal', 'SucceededDaemonPod', `Found succeeded ${where}, will try to delete it`);
    }
    const toDelete = plan.delete.filter(pod => !waiting.has(pod)).slice(0, BURST);
    const nodeNames = plan.create.slice(0, BURST);
    await slowStart(nodeNames, nodeName => this.owned.control.create(set, daemonPod(set, nodeName, hash), signal));
    await forAll(toDelete, pod => this.owned.control.delete(set, pod, signal));
    return retryMs;
  }

  private view(set: DaemonSet, hash: string) {
    return daemonView(set, this.nodes.lister.list(), this.owned.of(set), hash, this.context.clock.now());
  }

  private async writeStatus(set: DaemonSet, status: DaemonSetStatus, signal: AbortSignal): Promise<void> {
    if (set.status?.observedGeneration === status.observedGeneration && sameStatus(set.status, status)) return;
    await writeStatus(this.context.client, daemonSets, { ...set, status }, signal);
  }
}

const emptyStatus: DaemonSetStatus = {
  currentNumberScheduled: 0,
  numberMisscheduled: 0,
  desiredNumberScheduled: 0,
  numberReady: 0,
};

function selectorOf(set: DaemonSet): LabelSelector {
  return compileLabelSelector(set.spec.selector);
}

/** Heartbeats are many and change nothing. */
function mayFitOtherwise(older: Node, node: Node): boolean {
  return (
    !jsonEquals(older.metadata.labels, node.metadata.labels) ||
    !jsonEquals(older.spec?.taints, node.spec?.taints) ||
    older.spec?.unschedulable !== node.spec?.unschedulable
  );
}
