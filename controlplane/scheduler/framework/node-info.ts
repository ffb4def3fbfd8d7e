/**
 * A node with what runs on it, summed up: the unit that Filter and Score plugins look at.
 *
 * Owned by the SchedulerCache, which changes it only between two scheduling cycles; plugins must not keep it.
 */
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import { allocatableOf, podRequest, type ResourceSum } from '../plan/resources.ts';

export class NodeInfo {
  node: Node;
  allocatable: ResourceSum;
  /** Sum over all pods here, by resource; `pods` counts them. */
  readonly requested: ResourceSum = new Map();
  /** Pods here, by UID. */
  readonly pods = new Map<string, Pod>();

  constructor(node: Node) {
    this.node = node;
    this.allocatable = allocatableOf(node);
  }

  get name(): string {
    return this.node.metadata.name ?? '';
  }

  /** One to try things out on: changes of it leave this one as it is. */
  clone(): NodeInfo {
    const copy = new NodeInfo(this.node);
    for (const [uid, pod] of this.pods) copy.pods.set(uid, pod);
    for (const [resource, amount] of this.requested) copy.requested.set(resource, amount);
    return copy;
  }

  setNode(node: Node): void {
    this.node = node;
    this.allocatable = allocatableOf(node);
  }

  addPod(pod: Pod): void {
    this.pods.set(pod.metadata.uid ?? '', pod);
    this.account(pod, 1);
  }

  removePod(uid: string): void {
    const pod = this.pods.get(uid);
    if (pod === undefined) return;
    this.pods.delete(uid);
    this.account(pod, -1);
  }

  private account(pod: Pod, sign: 1 | -1): void {
    for (const [resource, amount] of podRequest(pod)) {
      this.requested.set(resource, (this.requested.get(resource) ?? 0) + sign * amount);
    }
  }
}
