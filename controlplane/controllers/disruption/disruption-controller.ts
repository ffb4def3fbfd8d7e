/**
 * Says in the status of every PodDisruptionBudget how many of its pods may go, which the eviction subresource then takes from.
 *
 * Keys: `budget/NAMESPACE/NAME`; `pod/NAMESPACE/NAME` for a pod that an eviction marked and that nobody deleted: the mark is taken back.
 */
import type { Deployment, ReplicaSet, StatefulSet } from '../../../proto/api/apps-v1.ts';
import type { Pod, ReplicationController } from '../../../proto/api/core-v1.ts';
import type { PodDisruptionBudget, PodDisruptionBudgetStatus } from '../../../proto/api/policy-v1.ts';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import {
  deployments,
  podDisruptionBudgets,
  pods,
  replicaSets,
  replicationControllers,
  statefulSets,
} from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import { compileLabelSelector, type LabelSelector } from '../../../machinery/meta/label-selector.ts';
import { keyOf, splitKey } from '../../../machinery/meta/object.ts';
import { isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { formatTime } from '../../../machinery/meta/time.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { indexByLabels, indexBySelector, selectedBy, selecting, type Selecting } from '../runtime/label-index.ts';
import { NewestWritten } from '../runtime/newest-written.ts';
import { sameStatus } from '../runtime/plan/same-status.ts';
import { expectedScale, UnknownScaleError } from './expected-scale.ts';
import { failSafeStatus, needsExpectedScale, planBudget, staleDisruptionMs } from './plan.ts';

export class DisruptionController implements Controller, Reconciler {
  readonly name = 'disruption-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly budgets: Informer<PodDisruptionBudget>;
  private readonly pods: Informer<Pod>;
  private readonly replicaSets: Informer<ReplicaSet>;
  private readonly replicationControllers: Informer<ReplicationController>;
  private readonly deployments: Informer<Deployment>;
  private readonly statefulSets: Informer<StatefulSet>;
  private readonly selecting: Selecting<PodDisruptionBudget>;
  private readonly newest: NewestWritten<PodDisruptionBudget>;

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.budgets = context.informers.informer(podDisruptionBudgets);
    this.pods = context.informers.informer(pods);
    this.replicaSets = context.informers.informer(replicaSets);
    this.replicationControllers = context.informers.informer(replicationControllers);
    this.deployments = context.informers.informer(deployments);
    this.statefulSets = context.informers.informer(statefulSets);
    this.selecting = { informer: this.budgets, selectorOf };
    this.newest = new NewestWritten(this.budgets);
    indexByLabels(this.pods);
    indexBySelector(this.selecting);
    const wake = (budget: PodDisruptionBudget): void => this.queue.add(`budget/${keyOf(budget)}`);
    this.budgets.addHandler({ onAdd: wake, onUpdate: (_older, budget) => wake(budget) });
    this.pods.addHandler({
      onAdd: pod => this.onPod(pod),
      onUpdate: (older, pod) => {
        if (!jsonEquals(older.metadata.labels, pod.metadata.labels)) this.onPod(older);
        this.onPod(pod);
      },
      onDelete: pod => this.onPod(pod),
    });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    const { budgets, replicaSets: sets, replicationControllers: controllers, statefulSets: stateful } = this;
    const informers = [budgets, this.pods, sets, controllers, this.deployments, stateful];
    return runQueue({ name, context, queue, reconciler: this, informers }, signal);
  }

  reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const slash = key.indexOf('/');
    const { namespace, name } = splitKey(key.slice(slash + 1));
    return key.startsWith('pod/') ? this.unmark(namespace, name, signal) : this.count(namespace, name, signal);
  }

  private async count(namespace: string, name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const listed = this.budgets.lister.get(namespace, name);
    if (listed === undefined || listed.metadata.deletionTimestamp !== undefined) return 'awaitChange';
    const budget = this.newest.of(listed);
    const { events, clock } = this.context;
    const subject = subjectOf(podDisruptionBudgets, budget);
    const selector = selectorOf(budget);
    const selected = selectedBy(this.pods.lister, namespace, selector);
    if (selected.length === 0) events.event(subject, 'Normal', 'NoPods', 'No matching pods found');
    let expected = 0;
    try {
      if (needsExpectedScale(budget)) {
        const { replicas, unmanaged } = await expectedScale(this.sources(), selected, signal);
        expected = replicas;
        if (unmanaged.length > 0) events.event(subject, 'Warning', 'UnmanagedPods', unmanagedText(selector.toString()));
      }
    } catch (error) {
      signal.throwIfAborted();
      const message = `Failed to calculate the number of expected pods: ${(error as Error).message}`;
      events.event(subject, 'Warning', 'CalculateExpectedPodCountFailed', message);
      await this.write(budget, failSafeStatus(budget, (error as Error).message, clock.now()), signal);
      // It says itself when it changes: pods come and go.
      if (error instanceof UnknownScaleError) return 'awaitChange';
      throw error;
    }
    const { status, afterMs, notDeleted } = planBudget(budget, selected, expected, clock.now());
    for (const pod of notDeleted) {
      const message = `Pod was expected by PDB ${keyOf(budget)} to be deleted but it wasn't`;
      events.event(subjectOf(pods, pod), 'Warning', 'NotDeleted', message);
    }
    await this.write(budget, status, signal);
    return afterMs === undefined ? 'awaitChange' : { afterMs };
  }

  /** Takes DisruptionTarget back from a pod that lives on. */
  private async unmark(namespace: string, name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const pod = this.pods.lister.get(namespace, name);
    const { client, clock } = this.context;
    const leftMs = pod === undefined ? undefined : staleDisruptionMs(pod, clock.now());
    if (pod === undefined || leftMs === undefined) return 'awaitChange';
    if (leftMs > 0) return { afterMs: leftMs };
    const condition = { type: 'DisruptionTarget', status: 'False', lastTransitionTime: formatTime(clock.now()) };
    const patch = {
      metadata: { uid: pod.metadata.uid },
      status: { conditions: [{ ...condition, reason: null, message: null }] },
    };
    await client.of(pods).patch({ namespace, name }, patch, {
      type: 'strategic',
      subresource: 'status',
      signal,
    });
    return 'awaitChange';
  }

  /** A write that somebody else was faster than (an eviction takes from the same number) is planned again from what is there now. */
  private async write(
    budget: PodDisruptionBudget,
    status: PodDisruptionBudgetStatus,
    signal: AbortSignal,
  ): Promise<void> {
    if (budget.status?.observedGeneration === status.observedGeneration && sameStatus(budget.status, status)) return;
    try {
      const { client } = this.context;
      this.newest.wrote(await client.of(podDisruptionBudgets).updateStatus({ ...budget, status }, { signal }));
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  private sources() {
    return {
      client: this.context.client,
      replicaSets: this.replicaSets.lister,
      replicationControllers: this.replicationControllers.lister,
      deployments: this.deployments.lister,
      statefulSets: this.statefulSets.lister,
    };
  }

  private onPod(pod: Pod): void {
    for (const budget of selecting(this.selecting, pod.metadata.namespace, pod.metadata.labels))
      this.queue.add(`budget/${keyOf(budget)}`);
    if (staleDisruptionMs(pod, this.context.clock.now()) !== undefined) this.queue.add(`pod/${keyOf(pod)}`);
  }
}

function selectorOf({ spec }: PodDisruptionBudget): LabelSelector {
  return compileLabelSelector(spec.selector);
}

function unmanagedText(selector: string): string {
  return (
    `Pods selected by this PodDisruptionBudget (selector: ${selector}) were found to be unmanaged. ` +
    'As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. ' +
    'To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.'
  );
}
