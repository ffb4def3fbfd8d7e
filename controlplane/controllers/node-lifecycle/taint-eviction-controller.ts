/**
 * Evicts pods from nodes with NoExecute taints, after as long as they tolerate them.
 *
 * The time counts from when the pod was seen on the tainted node, by our own monotonic clock: neither a clock that jumps nor a start of ours makes
 * pods leave early. It ends when the taints do.
 * Source: the behaviour of upstream `pkg/controller/tainteviction`.
 */
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import { podsByNode } from '../../../machinery/client/shared-indexes.ts';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { nodes, pods } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import { isDeleting, keyOf, setCondition, splitKey } from '../../../machinery/meta/object.ts';
import { isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { formatTime } from '../../../machinery/meta/time.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { toleratedMs } from './plan/eviction.ts';

const REASON = 'TaintManagerEviction';

export class TaintEvictionController implements Controller, Reconciler {
  readonly name = 'taint-eviction-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly nodes: Informer<Node>;
  private readonly pods: Informer<Pod>;
  /** Pods whose time runs: by uid, the monotonic time since when. */
  private readonly sinceMs = new Map<string, number>();

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.nodes = context.informers.informer(nodes);
    this.pods = context.informers.informer(pods);
    const podsOn = podsByNode(this.pods);
    const wakePods = (node: Node): void => {
      for (const pod of podsOn(node.metadata.name ?? '')) this.queue.add(keyOf(pod));
    };
    this.nodes.addHandler({
      onAdd: node => {
        if (isEvicting(node)) wakePods(node);
      },
      onUpdate: (older, node) => {
        if (!jsonEquals(older.spec.taints, node.spec.taints) && (isEvicting(older) || isEvicting(node))) wakePods(node);
      },
    });
    const see = (pod: Pod): void => {
      const node = this.nodes.lister.get(undefined, pod.spec.nodeName ?? '');
      if (node !== undefined && isEvicting(node)) this.queue.add(keyOf(pod));
    };
    this.pods.addHandler({
      onAdd: see,
      onUpdate: (older, pod) => {
        const same =
          older.spec.nodeName === pod.spec.nodeName && jsonEquals(older.spec.tolerations, pod.spec.tolerations);
        if (!same) see(pod);
      },
      onDelete: pod => this.sinceMs.delete(pod.metadata.uid ?? ''),
    });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    return runQueue({ name, context, queue, reconciler: this, informers: [this.nodes, this.pods], workers: 8 }, signal);
  }

  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { namespace, name } = splitKey(key);
    const pod = this.pods.lister.get(namespace, name);
    if (pod === undefined || isDeleting(pod)) return 'awaitChange';
    const taints = this.nodes.lister.get(undefined, pod.spec.nodeName ?? '')?.spec.taints ?? [];
    const leftMs = this.leftMs(pod, toleratedMs(pod, taints));
    if (leftMs === Infinity) return 'awaitChange';
    if (leftMs > 0) return { afterMs: leftMs };
    await this.evict(pod, signal);
    return 'awaitChange';
  }

  /** How long the pod may stay, of the time that it was given. */
  private leftMs(pod: Pod, givenMs: number): number {
    const { uid = '' } = pod.metadata;
    const nowMs = this.context.clock.monotonicMs();
    if (givenMs === Infinity) {
      if (this.sinceMs.delete(uid)) this.tell(pod, `Cancelling deletion of Pod ${keyOf(pod)}`);
      return Infinity;
    }
    const sinceMs = this.sinceMs.get(uid) ?? nowMs;
    this.sinceMs.set(uid, sinceMs);
    return sinceMs + givenMs - nowMs;
  }

  private async evict(pod: Pod, signal: AbortSignal): Promise<void> {
    const { client, clock } = this.context;
    const { namespace, name = '', uid } = pod.metadata;
    const message = 'Taint manager: deleting due to NoExecute taint';
    const condition = { type: 'DisruptionTarget', status: 'True', reason: 'DeletionByTaintManager', message } as const;
    const conditions = [...setCondition(pod.status?.conditions, condition, formatTime(clock.now()))];
    try {
      await client.of(pods).updateStatus({ ...pod, status: { ...pod.status, conditions } }, { signal });
      this.tell(pod, `Marking for deletion Pod ${keyOf(pod)}`);
      await client.of(pods).delete({ namespace, name }, { preconditions: { uid }, signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  private tell(pod: Pod, text: string): void {
    this.context.events.event(subjectOf(pods, pod), 'Normal', REASON, text);
  }
}

function isEvicting({ spec }: Node): boolean {
  return (spec.taints ?? []).some(taint => taint.effect === 'NoExecute');
}
