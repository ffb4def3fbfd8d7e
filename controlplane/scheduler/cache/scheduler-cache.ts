/**
 * What the scheduler knows of the cluster: nodes with the pods on them, changed in place as events come.
 *
 * - A pod that was decided for a node counts there at once ("assumed"), before the API knows of it; the binding's event confirms it, and whoever
 *   binds takes it back with `forget` when that fails. A pod is known by its UID, so an assumed pod that is deleted is gone wherever it counted.
 * - Pods may be seen before their node, and stay when it goes: they wait in `orphans` and count from the moment the node appears.
 * - The snapshot is the cache itself and costs nothing, since a decision is made without awaiting anything.
 */
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import { NodeInfo } from '../framework/node-info.ts';
import type { Snapshot } from '../framework/snapshot.ts';
import { ChangeList } from './change-list.ts';
import { interleaveByZone, zoneOf } from './zone-order.ts';

export class SchedulerCache implements Snapshot {
  readonly nodesWithAffinity = new Set<NodeInfo>();
  readonly nodesWithRequiredAntiAffinity = new Set<NodeInfo>();
  generation = 0;
  topologyGeneration = 0;
  private readonly infos = new Map<string, NodeInfo>();
  private readonly changes = new ChangeList();
  /** Where each known pod counts, by UID. */
  private readonly placed = new Map<string, string>();
  /** Of those, whom the API does not know there yet. */
  private readonly assumed = new Set<string>();
  private readonly orphans = new Map<string, Map<string, Pod>>();
  private readonly images = new Map<string, number>();
  private readonly claims = new Map<string, number>();
  private ordered: readonly NodeInfo[] | undefined;

  get nodes(): readonly NodeInfo[] {
    this.ordered ??= interleaveByZone(this.infos.values());
    return this.ordered;
  }

  node(name: string): NodeInfo | undefined {
    return this.infos.get(name);
  }

  changedSince(generation: number): Iterable<NodeInfo> {
    return this.changes.since(generation);
  }

  nodesWithImage(name: string): number {
    return this.images.get(name) ?? 0;
  }

  claimUsers(namespace: string, name: string): number {
    return this.claims.get(`${namespace}/${name}`) ?? 0;
  }

  setNode(node: Node): void {
    const name = node.metadata.name ?? '';
    const known = this.infos.get(name);
    if (known === undefined) return this.addNode(name, node);
    const older = known.node;
    if (!jsonEquals(older.status?.images, node.status?.images)) {
      this.countImages(known, -1);
      known.setNode(node);
      this.countImages(known, 1);
    } else known.setNode(node);
    if (!jsonEquals(older.metadata.labels, node.metadata.labels)) this.topologyGeneration++;
    if (zoneOf(older) !== zoneOf(node)) this.ordered = undefined;
    this.touch(known);
  }

  removeNode(name: string): void {
    const info = this.infos.get(name);
    if (info === undefined) return;
    if (info.pods.size > 0) this.orphans.set(name, new Map(info.pods));
    for (const [claim, users] of info.claimUsers) this.countClaim(claim, -users);
    this.countImages(info, -1);
    this.infos.delete(name);
    this.changes.remove(info);
    this.nodesWithAffinity.delete(info);
    this.nodesWithRequiredAntiAffinity.delete(info);
    this.ordered = undefined;
    this.topologyGeneration++;
  }

  /** The pod was decided for the node: it counts there from now on. */
  assume(pod: Pod, nodeName: string): void {
    this.place(pod, nodeName);
    this.assumed.add(pod.metadata.uid ?? '');
  }

  /** The pod has the node, as the API says. Moves it if it counted elsewhere, replaces what was known of it. */
  setPod(pod: Pod, nodeName: string): void {
    this.place(pod, nodeName);
    this.assumed.delete(pod.metadata.uid ?? '');
  }

  /** What was assumed did not come true. @returns false when it did meanwhile, or the pod is gone: then nothing changes */
  forget(uid: string): boolean {
    if (!this.assumed.has(uid)) return false;
    this.removePod(uid);
    return true;
  }

  /** @returns the pod as it was known; undefined if it counted nowhere */
  removePod(uid: string): Pod | undefined {
    const nodeName = this.placed.get(uid);
    if (nodeName === undefined) return undefined;
    this.placed.delete(uid);
    this.assumed.delete(uid);
    const info = this.infos.get(nodeName);
    const pod = info?.pods.get(uid);
    if (info !== undefined && pod !== undefined) {
      this.recountClaims(info, () => info.removePod(uid));
      this.touch(info);
    }
    const waiting = this.orphans.get(nodeName);
    const orphan = waiting?.get(uid);
    waiting?.delete(uid);
    if (waiting?.size === 0) this.orphans.delete(nodeName);
    return pod ?? orphan;
  }

  /** The node a pod counts on. */
  nodeOf(uid: string): string | undefined {
    return this.placed.get(uid);
  }

  get size(): { nodes: number; pods: number; assumedPods: number } {
    return { nodes: this.infos.size, pods: this.placed.size, assumedPods: this.assumed.size };
  }

  private addNode(name: string, node: Node): void {
    const info = new NodeInfo(node);
    for (const pod of this.orphans.get(name)?.values() ?? []) info.addPod(pod);
    this.orphans.delete(name);
    this.infos.set(name, info);
    for (const [claim, users] of info.claimUsers) this.countClaim(claim, users);
    this.countImages(info, 1);
    this.ordered = undefined;
    this.topologyGeneration++;
    this.touch(info);
  }

  private place(pod: Pod, nodeName: string): void {
    const uid = pod.metadata.uid ?? '';
    this.removePod(uid);
    this.placed.set(uid, nodeName);
    const info = this.infos.get(nodeName);
    if (info === undefined) {
      const waiting = this.orphans.get(nodeName) ?? new Map<string, Pod>();
      this.orphans.set(nodeName, waiting.set(uid, pod));
      return;
    }
    this.recountClaims(info, () => info.addPod(pod));
    this.touch(info);
  }

  private touch(info: NodeInfo): void {
    this.generation = info.generation;
    this.changes.touch(info);
    follow(this.nodesWithAffinity, info, info.podsWithAffinity.size > 0);
    follow(this.nodesWithRequiredAntiAffinity, info, info.podsWithRequiredAntiAffinity.size > 0);
  }

  private recountClaims(info: NodeInfo, change: () => void): void {
    const before = info.claimUsers;
    change();
    const after = info.claimUsers;
    if (before === after) return;
    for (const [claim, users] of before) this.countClaim(claim, -users);
    for (const [claim, users] of after) this.countClaim(claim, users);
  }

  private countClaim(claim: string, by: number): void {
    const users = (this.claims.get(claim) ?? 0) + by;
    if (users > 0) this.claims.set(claim, users);
    else this.claims.delete(claim);
  }

  private countImages(info: NodeInfo, by: 1 | -1): void {
    for (const name of info.imageSizes.keys()) {
      const count = (this.images.get(name) ?? 0) + by;
      if (count > 0) this.images.set(name, count);
      else this.images.delete(name);
    }
  }
}

function follow(set: Set<NodeInfo>, info: NodeInfo, isIn: boolean): void {
  if (isIn) set.add(info);
  else set.delete(info);
}
