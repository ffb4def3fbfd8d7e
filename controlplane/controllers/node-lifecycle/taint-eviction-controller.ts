/**
 * Evicts pods from nodes with NoExecute taints, after as long as they tolerate them.
 */
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { nodes, pods } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import { keyOf, setCondition, splitKey } from '../../../machinery/meta/object.ts';
import { isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { formatTime } from '../../../machinery/meta/time.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { evictionTimeMs } from './plan/eviction.ts';

const BY_NODE = 'nodeName';

export class TaintEvictionController implements Controller, Reconciler {
  readonly name = 'taint-eviction-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly nodes: Informer<Node>;
  private readonly pods: Informer<Pod>;

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.nodes = context.informers.informer(nodes);
    this.pods = context.informers.informer(pods);
    this.pods.addIndex(BY_NODE, pod => [pod.spec?.nodeName ?? '']);
    const wakePods = (node: Node): void => {
      for (const pod of this.pods.lister.byIndex(BY_NODE, node.metadata.name ?? '')) this.queue.add(keyOf(pod));
    };
    this.nodes.addHandler({
      onAdd: wakePods,
      onUpdate: (older, node) => {
        if (!jsonEquals(older.spec?.taints, node.spec?.taints)) wakePods(node);
      },
    });
    this.pods.addHandler({
      onAdd: pod => this.queue.add(keyOf(pod)),
      onUpdate: (older, pod) => {
        const same =
          older.spec?.nodeName === pod.spec?.nodeName && jsonEquals(older.spec?.tolerations, pod.spec?.tolerations);
        if (!same) this.queue.add(keyOf(pod));
      },
    });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    return runQueue({ name, context, queue, reconciler: this, informers: [this.nodes, this.pods] }, signal);
  }

  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { namespace, name } = splitKey(key);
    const pod = this.pods.lister.get(namespace, name);
    if (pod === undefined || pod.metadata.deletionTimestamp !== undefined) return 'awaitChange';
    const taints = this.nodes.lister.get(undefined, pod.spec?.nodeName ?? '')?.spec?.taints ?? [];
    const { client, clock, events } = this.context;
    const dueMs = evictionTimeMs(pod, taints, clock.now());
    if (dueMs === undefined) return 'awaitChange';
    if (dueMs > clock.now()) return { afterMs: dueMs - clock.now() };
    events.event(subjectOf(pods, pod), 'Normal', 'TaintManagerEviction', `Marking for deletion Pod ${key}`);
    const message = 'Taint manager: deleting due to NoExecute taint';
    const condition = { type: 'DisruptionTarget', status: 'True', reason: 'DeletionByTaintManager', message } as const;
    const conditions = [...setCondition(pod.status?.conditions, condition, formatTime(clock.now()))];
    try {
      await client.of(pods).updateStatus({ ...pod, status: { ...pod.status, conditions } }, { signal });
      await client.of(pods).delete({ namespace, name }, { preconditions: { uid: pod.metadata.uid }, signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    return 'awaitChange';
  }
}
