/**
 * Deletes pods that no kubelet will end: of nodes that are gone, deleted before they were scheduled, and ended ones beyond a threshold.
 * Driven by changes; no scan on a clock.
 */
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { nodes, pods } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { setCondition } from '../../../machinery/meta/object.ts';
import { isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { formatTime } from '../../../machinery/meta/time.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { isPodTerminal } from '../runtime/plan/pod-state.ts';
import { isUnscheduledTerminating, planOrphan, planTerminated, type PodGarbage } from './plan.ts';

/** A node that vanishes may come back at once under the same name. */
const QUARANTINE_MS = 40_000;
const BY_NODE = 'nodeName';

/** Keys: `node/NAME` for pods of a node, `unscheduled`, `terminated`. */
export class PodGcController implements Controller, Reconciler {
  readonly name = 'pod-garbage-collector';
  private readonly context: ControllerContext;
  private readonly threshold: number;
  private readonly queue: WorkQueue;
  private readonly pods: Informer<Pod>;
  private readonly nodes: Informer<Node>;
  private ended = 0;

  /** @param terminatedThreshold ended pods that may stay, 0 for all */
  constructor(context: ControllerContext, terminatedThreshold = 12_500) {
    this.context = context;
    this.threshold = terminatedThreshold;
    this.queue = new WorkQueue({ clock: context.clock });
    this.pods = context.informers.informer(pods);
    this.nodes = context.informers.informer(nodes);
    this.pods.addIndex(BY_NODE, pod => [pod.spec?.nodeName ?? '']);
    this.pods.addHandler({
      onAdd: pod => this.onPod(undefined, pod),
      onUpdate: (older, pod) => this.onPod(older, pod),
      onDelete: pod => (this.ended -= isPodTerminal(pod) ? 1 : 0),
    });
    this.nodes.addHandler({ onDelete: node => this.queue.addAfter(`node/${node.metadata.name}`, QUARANTINE_MS) });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    return runQueue({ name, context, queue, reconciler: this, informers: [this.pods, this.nodes], workers: 2 }, signal);
  }

  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    if (key === 'terminated') {
      const surplus = planTerminated(this.pods.lister.list(), this.threshold);
      await this.remove(
        surplus.map(pod => ({ pod, reason: undefined })),
        signal,
      );
    } else if (key === 'unscheduled') {
      const dead = this.pods.lister.byIndex(BY_NODE, '').filter(isUnscheduledTerminating);
      await this.remove(
        dead.map(pod => ({ pod, reason: undefined })),
        signal,
      );
    } else {
      await this.collectNode(key.slice('node/'.length), signal);
    }
    return 'awaitChange';
  }

  private async collectNode(node: string, signal: AbortSignal): Promise<void> {
    const orphans = this.pods.lister.byIndex(BY_NODE, node);
    if (orphans.length === 0 || this.nodes.lister.get(undefined, node) !== undefined) return;
    try {
      // The informer may be behind; a pod of a node that lives must never be killed for it.
      await this.context.client.of(nodes).get({ name: node }, signal);
    } catch (error) {
      if (!isNotFound(error)) throw error;
      await this.remove(orphans.map(planOrphan), signal);
    }
  }

  private async remove(garbage: readonly PodGarbage[], signal: AbortSignal): Promise<void> {
    const client = this.context.client.of(pods);
    for (const { pod, reason } of garbage) {
      const { namespace, name = '', uid } = pod.metadata;
      try {
        if (reason !== undefined) await client.updateStatus(this.failed(pod, reason), { signal });
        await client.delete({ namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid }, signal });
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }
  }

  private failed(pod: Pod, message: string): Pod {
    const condition = { type: 'DisruptionTarget', status: 'True', reason: 'DeletionByPodGC', message } as const;
    const conditions = [...setCondition(pod.status?.conditions, condition, formatTime(this.context.clock.now()))];
    return { ...pod, status: { ...pod.status, phase: 'Failed', conditions } };
  }

  private onPod(older: Pod | undefined, pod: Pod): void {
    const was = older !== undefined && isPodTerminal(older);
    if (isPodTerminal(pod) && !was) this.ended++;
    if (this.threshold > 0 && this.ended > this.threshold) this.queue.add('terminated');
    if (isUnscheduledTerminating(pod)) this.queue.add('unscheduled');
    const node = pod.spec?.nodeName ?? '';
    const isNew = older === undefined || older.spec?.nodeName !== pod.spec?.nodeName;
    // At start the nodes may not be listed yet: the run asks again.
    if (node !== '' && isNew && this.nodes.lister.get(undefined, node) === undefined) {
      this.queue.addAfter(`node/${node}`, QUARANTINE_MS);
    }
  }
}
