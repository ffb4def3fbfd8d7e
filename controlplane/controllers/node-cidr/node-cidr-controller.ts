/**
 * Gives each Node its `spec.podCIDR` and `podCIDRs` from the cluster's ranges.
 * One node at a time: two runs at once could hand out one range twice.
 */
import type { Node } from '../../../proto/api/core-v1.ts';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import { TerminalError, type Reconciler, type ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { nodes } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { firstFree, indexOf, parsePool, rangeAt, type CidrPool } from './plan.ts';

export class NodeCidrController implements Controller, Reconciler {
  readonly name = 'node-ipam-controller';
  private readonly context: ControllerContext;
  private readonly pools: readonly CidrPool[];
  private readonly queue: WorkQueue;
  private readonly nodes: Informer<Node>;
  /** Ranges given to nodes that the informer may not show yet: node name to ranges. */
  private readonly given = new Map<string, readonly string[]>();

  /** @param clusterCidrs one a family, the first is the primary one */
  constructor(context: ControllerContext, clusterCidrs: readonly string[]) {
    this.context = context;
    this.pools = clusterCidrs.map(cidr => parsePool(cidr));
    this.queue = new WorkQueue({ clock: context.clock });
    this.nodes = context.informers.informer(nodes);
    const wake = (node: Node): void => {
      if ((node.spec?.podCIDRs ?? []).length === 0) this.queue.add(node.metadata.name ?? '');
    };
    this.nodes.addHandler({
      onAdd: wake,
      onUpdate: (_older, node) => wake(node),
      onDelete: node => {
        this.given.delete(node.metadata.name ?? '');
        // Room came free: nodes without a range try again.
        for (const other of this.nodes.lister.list()) wake(other);
      },
    });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    return runQueue({ name, context, queue, reconciler: this, informers: [this.nodes], workers: 1 }, signal);
  }

  async reconcile(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const node = this.nodes.lister.get(undefined, name);
    if (node === undefined || (node.spec?.podCIDRs ?? []).length > 0) return 'awaitChange';
    const ranges = this.given.get(name) ?? this.pools.map(pool => this.pick(pool, node));
    this.given.set(name, ranges);
    const patch = { spec: { podCIDR: ranges[0], podCIDRs: ranges } };
    try {
      await this.context.client.of(nodes).patch({ name }, patch, { type: 'strategic', signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      this.given.delete(name);
    }
    return 'awaitChange';
  }

  private pick(pool: CidrPool, node: Node): string {
    const shown = this.nodes.lister
      .list()
      .flatMap(n => n.spec?.podCIDRs ?? (n.spec?.podCIDR === undefined ? [] : [n.spec.podCIDR]));
    const ranges = [...shown, ...[...this.given.values()].flat()];
    const taken = new Set(ranges.map(range => indexOf(pool, range)).filter(index => index !== undefined));
    const index = firstFree(pool, taken);
    if (index !== undefined) return rangeAt(pool, index);
    const why = `Node ${node.metadata.name} status is now: CIDRNotAvailable`;
    this.context.events.event(subjectOf(nodes, node), 'Normal', 'CIDRNotAvailable', why);
    throw new TerminalError(`No pod address range is left for node ${node.metadata.name}; use a larger --cluster-cidr`);
  }
}
