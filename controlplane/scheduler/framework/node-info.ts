/**
 * A node with what runs on it, summed up: the unit that Filter and Score plugins look at.
 *
 * Owned by the SchedulerCache, which changes it only between two scheduling cycles; plugins must not keep it.
 */
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import { allocatableOf, podRequest, type ResourceSum } from '../plan/resources.ts';

/** A host port in use: `ip` is `0.0.0.0` for all addresses. */
export interface HostPort {
  ip: string;
  protocol: string;
  port: number;
}

/** Host ports that a pod's containers ask for (all of them when the pod is on the host network: the API server filled hostPort in). */
export function hostPortsOf(pod: Pod): HostPort[] {
  const ports: HostPort[] = [];
  const sidecars = (pod.spec.initContainers ?? []).filter(c => c.restartPolicy === 'Always');
  for (const container of [...pod.spec.containers, ...sidecars]) {
    for (const p of container.ports ?? []) {
      if (p.hostPort !== undefined && p.hostPort > 0) {
        ports.push({
          ip: p.hostIP === undefined || p.hostIP === '' ? '0.0.0.0' : p.hostIP,
          protocol: p.protocol ?? 'TCP',
          port: p.hostPort,
        });
      }
    }
  }
  return ports;
}

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
