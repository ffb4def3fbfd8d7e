/**
 * Watches over nodes: a silent one becomes Unknown, its conditions become taints, its pods not ready.
 *
 * Silence is measured by our own monotonic clock from the last change of the node's Lease or heartbeat that we saw, so neither clock differences
 * nor our own absence make a node look dead. At rest there is one wake-up per node and grace period.
 * Source: the behaviour of upstream `pkg/controller/nodelifecycle`.
 */
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import { podsByNode, type Lookup } from '../../../machinery/client/shared-indexes.ts';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { nodes, pods } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { setCondition } from '../../../machinery/meta/object.ts';
import { isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { formatTime } from '../../../machinery/meta/time.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { isPodReady } from '../runtime/plan/pod-state.ts';
import { EvictionPace } from './eviction-pace.ts';
import { Heartbeats } from './heartbeats.ts';
import { evictionOf, planTaints, readinessOf, silentConditions } from './plan/health.ts';

/** Others may have fallen silent together with a node: that is seen within this time. */
const COMPANY_MS = 5_000;

export class NodeLifecycleController implements Controller, Reconciler {
  readonly name = 'node-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly nodes: Informer<Node>;
  private readonly pods: Informer<Pod>;
  private readonly podsOn: Lookup<Pod>;
  private readonly heartbeats: Heartbeats;
  private readonly pace: EvictionPace;
  private readonly companyMs: number;
  /** Since when a node waits to be tainted NoExecute, in monotonic time. */
  private readonly pendingMs = new Map<string, number>();

  constructor(context: ControllerContext, gracePeriodMs = 50_000) {
    const { clock, informers } = context;
    this.context = context;
    this.companyMs = Math.min(COMPANY_MS, gracePeriodMs / 10);
    this.queue = new WorkQueue({ clock });
    this.nodes = informers.informer(nodes);
    this.pods = informers.informer(pods);
    this.podsOn = podsByNode(this.pods);
    this.heartbeats = new Heartbeats(context, gracePeriodMs, name => this.queue.add(name));
    this.pace = new EvictionPace(() => this.wakeTroubled());
    this.nodes.addHandler({
      onAdd: (node, isInInitialList) => {
        this.see(node);
        if (!isInInitialList)
          this.tell(node, 'RegisteredNode', `event: Registered Node ${node.metadata.name ?? ''} in Controller`);
      },
      onUpdate: (_older, node) => this.see(node),
      onDelete: node => {
        const name = node.metadata.name ?? '';
        this.pace.forget(name, clock.monotonicMs());
        this.pendingMs.delete(name);
        this.tell(node, 'RemovingNode', `event: Removing Node ${name} from Controller`);
      },
    });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    const informers = [this.nodes, this.heartbeats.leases, this.pods];
    return runQueue({ name, context, queue, reconciler: this, informers, workers: 4 }, signal);
  }

  async reconcile(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const listed = this.nodes.lister.get(undefined, name);
    if (listed === undefined) return 'awaitChange';
    const silentMs = await this.heartbeats.silenceLeftMs(listed, signal);
    try {
      const node = silentMs > 0 ? listed : await this.writeSilence(listed, signal);
      const evictedMs = await this.writeTaints(node, signal);
      if (readinessOf(node) === 'Unknown') await this.markPodsNotReady(name, signal);
      // Of a silent node nothing can get worse; the next sign of life begins anew.
      const nextMs = Math.min(silentMs > 0 ? silentMs : Infinity, evictedMs);
      return nextMs === Infinity ? 'awaitChange' : { afterMs: nextMs };
    } catch (error) {
      if (!isNotFound(error)) throw error;
      return 'awaitChange';
    }
  }

  private see(node: Node): void {
    this.pace.see(node, this.context.clock.monotonicMs());
    this.queue.add(node.metadata.name ?? '');
  }

  private wakeTroubled(): void {
    for (const node of this.nodes.lister.list())
      if (evictionOf(node) !== 'none') this.queue.add(node.metadata.name ?? '');
  }

  private async writeSilence(node: Node, signal: AbortSignal): Promise<Node> {
    const { client, clock } = this.context;
    const conditions = silentConditions(node, clock.now());
    if (conditions === undefined) return node;
    const status = { ...node.status, conditions };
    const updated = await client.of(nodes).updateStatus({ ...node, status }, { signal });
    this.pace.see(updated, clock.monotonicMs());
    if (readinessOf(node) === 'True') this.tell(node, 'NodeNotReady', 'status is now: NodeNotReady');
    return updated;
  }

  /** @returns in how long to look again, since the node waits to be tainted NoExecute */
  private async writeTaints(node: Node, signal: AbortSignal): Promise<number> {
    const { client, clock } = this.context;
    const waitMs = this.evictionWaitMs(node);
    const evicts = !this.pace.isAllDown && waitMs === 0;
    const taints = planTaints(node, evicts, clock.now());
    if (taints === undefined) return waitMs === 0 ? Infinity : waitMs;
    const { taints: _, ...spec } = node.spec;
    // As upstream's: a node without taints has no such field.
    const next = { ...node, spec: taints.length === 0 ? spec : { ...spec, taints } };
    await client.of(nodes).update(next, { signal });
    return waitMs === 0 ? Infinity : waitMs;
  }

  /** 0: it may be tainted NoExecute, if it is to be. */
  private evictionWaitMs(node: Node): number {
    const { name = '' } = node.metadata;
    const nowMs = this.context.clock.monotonicMs();
    if (evictionOf(node) !== 'pending') {
      this.pendingMs.delete(name);
      return 0;
    }
    const sinceMs = this.pendingMs.get(name) ?? nowMs;
    this.pendingMs.set(name, sinceMs);
    const alone = sinceMs + this.companyMs - nowMs;
    return alone > 0 ? alone : this.pace.take(node, nowMs);
  }

  private async markPodsNotReady(node: string, signal: AbortSignal): Promise<void> {
    const { client, clock, events } = this.context;
    for (const pod of this.podsOn(node).filter(isPodReady)) {
      const condition = { type: 'Ready', status: 'False' } as const;
      const conditions = [...setCondition(pod.status?.conditions, condition, formatTime(clock.now()))];
      try {
        await client.of(pods).updateStatus({ ...pod, status: { ...pod.status, conditions } }, { signal });
        events.event(subjectOf(pods, pod), 'Warning', 'NodeNotReady', 'Node is not ready');
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }
  }

  private tell(node: Node, reason: string, what: string): void {
    const text = `Node ${node.metadata.name ?? ''} ${what}`;
    this.context.events.event(subjectOf(nodes, node), 'Normal', reason, text);
  }
}
