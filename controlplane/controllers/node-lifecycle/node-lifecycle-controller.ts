/**
 * Watches over nodes: a silent one becomes Unknown, its conditions become taints, its pods not ready.
 *
 * Silence is measured by our own monotonic clock from the last change of the node's Lease or heartbeat that we saw, so neither clock differences
 * nor our own absence make a node look dead. At rest there is one wake-up per node and grace period.
 */
import type { Lease } from '../../../proto/api/coordination-v1.ts';
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { leases, nodes, pods } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { findCondition, setCondition } from '../../../machinery/meta/object.ts';
import { isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { formatTime } from '../../../machinery/meta/time.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { isPodReady } from '../runtime/plan/pod-state.ts';
import { planTaints, readinessOf, silentConditions } from './plan/health.ts';
import { waitForSign } from './plan/silence.ts';

const BY_NODE = 'nodeName';
const LEASE_NAMESPACE = 'kube-node-lease';

export class NodeLifecycleController implements Controller, Reconciler {
  readonly name = 'node-controller';
  private readonly context: ControllerContext;
  private readonly gracePeriodMs: number;
  private readonly queue: WorkQueue;
  private readonly nodes: Informer<Node>;
  private readonly leases: Informer<Lease>;
  private readonly pods: Informer<Pod>;
  /** Monotonic time of the last sign of life. */
  private readonly heardMs = new Map<string, number>();
  /** Nodes whose silence was told and that have no wake-up. */
  private readonly silent = new Set<string>();

  constructor(context: ControllerContext, gracePeriodMs = 50_000) {
    this.context = context;
    this.gracePeriodMs = gracePeriodMs;
    this.queue = new WorkQueue({ clock: context.clock });
    this.nodes = context.informers.informer(nodes);
    this.leases = context.informers.informer(leases, { namespace: LEASE_NAMESPACE });
    this.pods = context.informers.informer(pods);
    this.pods.addIndex(BY_NODE, pod => [pod.spec?.nodeName ?? '']);
    this.nodes.addHandler({
      onAdd: node => this.heard(node.metadata.name ?? '', true),
      onUpdate: (older, node) => {
        const beat = (n: Node) => findCondition(n.status?.conditions, 'Ready')?.lastHeartbeatTime;
        if (beat(older) !== beat(node) && readinessOf(node) !== 'Unknown') this.heard(node.metadata.name ?? '', false);
        this.queue.add(node.metadata.name ?? '');
      },
      onDelete: node => {
        this.heardMs.delete(node.metadata.name ?? '');
        this.silent.delete(node.metadata.name ?? '');
      },
    });
    this.leases.addHandler({
      onAdd: lease => this.heard(lease.metadata.name ?? '', false),
      onUpdate: (older, lease) => {
        if (older.spec.renewTime !== lease.spec.renewTime) this.heard(lease.metadata.name ?? '', false);
      },
    });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    const informers = [this.nodes, this.leases, this.pods];
    return runQueue({ name, context, queue, reconciler: this, informers, workers: 4 }, signal);
  }

  async reconcile(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const listed = this.nodes.lister.get(undefined, name);
    if (listed === undefined) return 'awaitChange';
    const silent = this.isOverdue(name) && !(await this.renewedMeanwhile(name, signal));
    try {
      const node = await this.writeTaints(silent ? await this.writeSilence(listed, signal) : listed, signal);
      if (readinessOf(node) === 'Unknown') await this.markPodsNotReady(name, signal);
    } catch (error) {
      if (!isNotFound(error)) throw error;
      return 'awaitChange';
    }
    if (!silent) return { afterMs: Math.max(1, this.gracePeriodMs - this.silenceOf(name)) };
    // Nothing can get worse; the next sign of life begins anew.
    this.silent.add(name);
    return 'awaitChange';
  }

  private isOverdue(name: string): boolean {
    const { gracePeriodMs } = this;
    const silentMs = this.silenceOf(name);
    if (silentMs < gracePeriodMs || this.silent.has(name)) return silentMs >= gracePeriodMs;
    const waitMs = waitForSign(silentMs, gracePeriodMs);
    if (waitMs === 0) return true;
    this.heardMs.set(name, this.context.clock.monotonicMs() - gracePeriodMs + waitMs);
    return false;
  }

  private silenceOf(name: string): number {
    const nowMs = this.context.clock.monotonicMs();
    return nowMs - (this.heardMs.get(name) ?? nowMs);
  }

  private async writeSilence(node: Node, signal: AbortSignal): Promise<Node> {
    const { client, clock, events } = this.context;
    const conditions = silentConditions(node, clock.now());
    if (conditions === undefined) return node;
    const updated = await client
      .of(nodes)
      .updateStatus({ ...node, status: { ...node.status, conditions } }, { signal });
    if (readinessOf(node) === 'True') {
      const text = `Node ${node.metadata.name} status is now: NodeNotReady`;
      events.event(subjectOf(nodes, node), 'Normal', 'NodeNotReady', text);
    }
    return updated;
  }

  private async writeTaints(node: Node, signal: AbortSignal): Promise<Node> {
    const { client, clock } = this.context;
    const taints = planTaints(node, clock.now());
    if (taints === undefined) return node;
    const { taints: _, ...spec } = node.spec ?? {};
    // As upstream's: a node without taints has no such field.
    return client.of(nodes).update({ ...node, spec: taints.length === 0 ? spec : { ...spec, taints } }, { signal });
  }

  /** Our watch may be behind: before a node is declared dead the server is asked. */
  private async renewedMeanwhile(name: string, signal: AbortSignal): Promise<boolean> {
    try {
      const live = await this.context.client.of(leases).get({ namespace: LEASE_NAMESPACE, name }, signal);
      const known = this.leases.lister.get(LEASE_NAMESPACE, name);
      if (live.spec.renewTime === known?.spec.renewTime) return false;
      this.heard(name, false);
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  private async markPodsNotReady(node: string, signal: AbortSignal): Promise<void> {
    for (const pod of this.pods.lister.byIndex(BY_NODE, node).filter(isPodReady)) {
      const condition = { type: 'Ready', status: 'False' } as const;
      const conditions = [...setCondition(pod.status?.conditions, condition, formatTime(this.context.clock.now()))];
      try {
        await this.context.client.of(pods).updateStatus({ ...pod, status: { ...pod.status, conditions } }, { signal });
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }
  }

  private heard(name: string, isFirst: boolean): void {
    const known = this.heardMs.has(name);
    if (!(isFirst && known)) this.heardMs.set(name, this.context.clock.monotonicMs());
    // Later signs of life need no run: the next one comes by its timer and looks at the time.
    if (isFirst || !known || this.silent.delete(name)) this.queue.add(name);
  }
}
