/**
 * Gives each Node its `spec.podCIDR` and `podCIDRs` from the cluster's ranges, one of each family.
 *
 * - One node at a time: two runs at once could hand out one range twice.
 * - What a node has stays its own until the node is gone, also if it is of no range of the cluster any more.
 * - A range is held from before it is written: nobody else gets it while the write is on its way, or its outcome unknown.
 */
import type { Node } from '../../../proto/api/core-v1.ts';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import { TerminalError, type Reconciler, type ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { nodes } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import { hasReason } from '../../../machinery/meta/status-error-from.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { NodeRanges } from './plan.ts';

export interface NodeCidrOptions {
  /** One a family, the first is of the primary one. */
  readonly clusterCidrs: readonly string[];
  /** Length of the prefix of a node's part of each; default /24, of IPv6 /64. */
  readonly nodeMaskSizes?: readonly number[] | undefined;
}

export class NodeCidrController implements Controller, Reconciler {
  readonly name = 'node-ipam-controller';
  private readonly context: ControllerContext;
  private readonly pools: readonly NodeRanges[];
  private readonly queue: WorkQueue;
  private readonly nodes: Informer<Node>;
  /** By node name: what it has, or was given just now. */
  private readonly held = new Map<string, readonly string[]>();

  constructor(context: ControllerContext, { clusterCidrs, nodeMaskSizes }: NodeCidrOptions) {
    this.context = context;
    this.pools = clusterCidrs.map((cidr, i) => new NodeRanges(cidr, nodeMaskSizes?.[i]));
    this.queue = new WorkQueue({ clock: context.clock });
    this.nodes = context.informers.informer(nodes);
    this.nodes.addHandler({
      onAdd: node => this.see(node),
      onUpdate: (_older, node) => this.see(node),
      onDelete: node => {
        this.hold(node.metadata.name ?? '', []);
        // Room came free: nodes without a range try again.
        for (const other of this.nodes.lister.list()) this.see(other);
      },
    });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    return runQueue({ name, context, queue, reconciler: this, informers: [this.nodes], workers: 1 }, signal);
  }

  async reconcile(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const node = this.nodes.lister.get(undefined, name);
    if (node === undefined || rangesOf(node).length > 0) return 'awaitChange';
    const ranges = this.held.get(name) ?? this.pick(node);
    const patch = { spec: { podCIDR: ranges[0], podCIDRs: ranges } };
    try {
      await this.context.client.of(nodes).patch({ name }, patch, { type: 'strategic', signal });
    } catch (error) {
      // It has gone, or somebody else was faster and it has a range that cannot be changed.
      if (!hasReason(error, 'NotFound', 'Invalid')) throw error;
      this.hold(name, []);
    }
    return 'awaitChange';
  }

  private see(node: Node): void {
    const name = node.metadata.name ?? '';
    const ranges = rangesOf(node);
    if (ranges.length === 0) this.queue.add(name);
    else if (!jsonEquals(this.held.get(name) ?? [], ranges)) this.hold(name, ranges);
  }

  /** What the node had before is given back. */
  private hold(name: string, ranges: readonly string[]): void {
    for (const range of this.held.get(name) ?? []) for (const pool of this.pools) pool.release(range);
    if (ranges.length === 0) {
      this.held.delete(name);
      return;
    }
    this.held.set(name, ranges);
    for (const range of ranges) {
      if (this.pools.map(pool => pool.occupy(range)).includes(true)) continue;
      this.context.logger.warn(
        { node: name, range },
        'A node has a range of pod addresses that is not of --cluster-cidr',
      );
    }
  }

  private pick(node: Node): readonly string[] {
    const name = node.metadata.name ?? '';
    const ranges = this.pools.map(pool => pool.take());
    const got = ranges.filter(range => range !== undefined);
    if (got.length === ranges.length) {
      this.held.set(name, got);
      return got;
    }
    ranges.forEach((range, i) => range !== undefined && this.pools[i]?.release(range));
    const why = `Node ${name} status is now: CIDRNotAvailable`;
    this.context.events.event(subjectOf(nodes, node), 'Normal', 'CIDRNotAvailable', why);
    const families = this.pools.filter((_, i) => ranges[i] === undefined).map(pool => pool.family);
    throw new TerminalError(
      `No range of pod addresses (${families.join(', ')}) is left for node ${name}; remove nodes, or make the cluster with a larger --cluster-cidr`,
    );
  }
}

function rangesOf({ spec }: Node): readonly string[] {
  return spec?.podCIDRs ?? (spec?.podCIDR ? [spec.podCIDR] : []);
}
