/**
 * What the scheduler knows of the cluster: nodes with the pods on them, changed in place as events come.
 *
 * - A pod that was decided for a node counts there at once ("assumed"), before the API knows of it; the binding's event confirms it.
 * - Pods may be seen before their node: they wait in `orphans` and count from the moment the node appears.
 * - The snapshot is the live list, valid until the next event: a scheduling cycle runs without awaiting anything.
 */
import type { Node, Pod } from '../../proto/api/core-v1.ts';
import { NodeInfo } from './framework/node-info.ts';
import { snapshotOf, type Snapshot } from './framework/snapshot.ts';

export class SchedulerCache {
  private readonly infos = new Map<string, NodeInfo>();
  /** Where each known pod counts, by UID. */
  private readonly placed = new Map<string, string>();
  private readonly orphans = new Map<string, Map<string, Pod>>();
  private sorted: NodeInfo[] | undefined;

  setNode(node: Node): void {
    const name = node.metadata.name ?? '';
    const info = this.infos.get(name);
    if (info !== undefined) return info.setNode(node);
    const fresh = new NodeInfo(node);
    for (const pod of this.orphans.get(name)?.values() ?? []) fresh.addPod(pod);
    this.orphans.delete(name);
    this.infos.set(name, fresh);
    this.sorted = undefined;
  }

  removeNode(name: string): void {
    const info = this.infos.get(name);
    if (info === undefined) return;
    if (info.pods.size > 0) this.orphans.set(name, new Map(info.pods));
    this.infos.delete(name);
    this.sorted = undefined;
  }

  /** Counts the pod on `nodeName`; moves it if it counted elsewhere, replaces what was known of it. */
  placePod(pod: Pod, nodeName: string): void {
    const uid = pod.metadata.uid ?? '';
    this.removePod(uid);
    this.placed.set(uid, nodeName);
    const info = this.infos.get(nodeName);
    if (info !== undefined) return info.addPod(pod);
    const waiting = this.orphans.get(nodeName) ?? new Map<string, Pod>();
    waiting.set(uid, pod);
    this.orphans.set(nodeName, waiting);
  }

  removePod(uid: string): void {
    const nodeName = this.placed.get(uid);
    if (nodeName === undefined) return;
    this.placed.delete(uid);
    this.infos.get(nodeName)?.removePod(uid);
    const waiting = this.orphans.get(nodeName);
    waiting?.delete(uid);
    if (waiting?.size === 0) this.orphans.delete(nodeName);
  }

  /** The node a pod counts on. */
  nodeOf(uid: string): string | undefined {
    return this.placed.get(uid);
  }

  snapshot(): Snapshot {
    this.sorted ??= [...this.infos.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    return snapshotOf(this.sorted);
  }
}
