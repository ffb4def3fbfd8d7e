/**
 * Deletes pods that no kubelet will end: of nodes that are gone or out of service, deleted before they were scheduled, and ended ones beyond a
 * threshold.
 * Driven by changes; no scan on a clock.
 */
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import { podsByNode, type Lookup } from '../../../machinery/client/shared-indexes.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { nodes, pods } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { isDeleting } from '../../../machinery/meta/object.ts';
import { isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { isPodTerminal } from '../runtime/plan/pod-state.ts';
import { failedStatus, isOutOfService, isUnscheduledTerminating, NODE_GONE, planTerminated } from './plan.ts';

/** A node that vanishes may come back at once under the same name. */
const QUARANTINE_MS = 40_000;

/** Keys: `node/NAME` for pods of a node that is gone, `off/NAME` for those of one that is out of service, `unscheduled`, `terminated`. */
export class PodGcController implements Controller, Reconciler {
  readonly name = 'pod-garbage-collector';
  private readonly context: ControllerContext;
  private readonly threshold: number;
  private readonly queue: WorkQueue;
  private readonly pods: Informer<Pod>;
  private readonly podsOn: Lookup<Pod>;
  private readonly nodes: Informer<Node>;
  private ended = 0;

  /** @param terminatedThreshold ended pods that may stay, 0 for all */
  constructor(context: ControllerContext, terminatedThreshold = 12_500) {
    this.context = context;
    this.threshold = terminatedThreshold;
    this.queue = new WorkQueue({ clock: context.clock });
    this.pods = context.informers.informer(pods);
    this.nodes = context.informers.informer(nodes);
    this.podsOn = podsByNode(this.pods);
    this.pods.addHandler({
      onAdd: pod => this.onPod(undefined, pod),
      onUpdate: (older, pod) => this.onPod(older, pod),
      onDelete: pod => (this.ended -= isPodTerminal(pod) ? 1 : 0),
    });
    const onNode = (node: Node): void => {
      if (isOutOfService(node)) this.queue.add(`off/${node.metadata.name}`);
    };
    this.nodes.addHandler({
      onAdd: onNode,
      onUpdate: (_older, node) => onNode(node),
      onDelete: node => this.queue.addAfter(`node/${node.metadata.name}`, QUARANTINE_MS),
    });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    return runQueue({ name, context, queue, reconciler: this, informers: [this.pods, this.nodes], workers: 2 }, signal);
  }

  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const [kind, node = ''] = key.split('/', 2);
    if (kind === 'terminated')
      await this.remove(planTerminated(this.pods.lister.list(), this.threshold), undefined, signal);
    else if (kind === 'unscheduled')
      await this.remove(this.podsOn('').filter(isUnscheduledTerminating), undefined, signal);
    else if (kind === 'off') await this.collectOff(node, signal);
    else await this.collectNode(node, signal);
    return 'awaitChange';
  }

  private async collectOff(name: string, signal: AbortSignal): Promise<void> {
    const node = this.nodes.lister.get(undefined, name);
    if (node === undefined || !isOutOfService(node)) return;
    await this.remove(this.podsOn(name).filter(isDeleting), undefined, signal);
  }

  private async collectNode(node: string, signal: AbortSignal): Promise<void> {
    const orphans = this.podsOn(node);
    if (orphans.length === 0 || this.nodes.lister.get(undefined, node) !== undefined) return;
    try {
      // The informer may be behind; a pod of a node that lives must never be killed for it.
      await this.context.client.of(nodes).get({ name: node }, signal);
    } catch (error) {
      if (!isNotFound(error)) throw error;
      await this.remove(orphans, NODE_GONE, signal);
    }
  }

  private async remove(garbage: readonly Pod[], why: string | undefined, signal: AbortSignal): Promise<void> {
    const client = this.context.client.of(pods);
    for (const pod of garbage) {
      const { namespace, name = '', uid } = pod.metadata;
      const status = failedStatus(pod, why, this.context.clock.now());
      try {
        if (status !== undefined) await client.updateStatus({ ...pod, status }, { signal });
        await client.delete({ namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid }, signal });
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }
  }

  private onPod(older: Pod | undefined, pod: Pod): void {
    const was = older !== undefined && isPodTerminal(older);
    if (isPodTerminal(pod) && !was) this.ended++;
    if (this.threshold > 0 && this.ended > this.threshold) this.queue.add('terminated');
    if (isUnscheduledTerminating(pod)) this.queue.add('unscheduled');
    const node = pod.spec.nodeName ?? '';
    if (node === '') return;
    const found = this.nodes.lister.get(undefined, node);
    if (found !== undefined && isDeleting(pod) && isOutOfService(found)) this.queue.add(`off/${node}`);
    const isNew = older === undefined || older.spec.nodeName !== pod.spec.nodeName;
    // At start the nodes may not be listed yet: the run asks again.
    if (found === undefined && isNew) this.queue.addAfter(`node/${node}`, QUARANTINE_MS);
  }
}
