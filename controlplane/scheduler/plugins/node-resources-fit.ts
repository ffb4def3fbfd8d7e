/**
 * A pod fits where its requests do, and is placed where most is left (LeastAllocated). Source: upstream plugin NodeResourcesFit.
 */
import { MAX_NODE_SCORE, type Plugin, type Rejection } from '../framework/framework.ts';
import type { NodeInfo } from '../framework/node-info.ts';
import { DEFAULT_CPU_MILLIS, DEFAULT_MEMORY_BYTES, podRequest, type ResourceSum } from '../plan/resources.ts';

/** What does not fit, resource by resource. */
export function insufficientResources(request: ResourceSum, info: NodeInfo): Rejection[] {
  const rejections: Rejection[] = [];
  for (const [resource, amount] of request) {
    if (amount === 0) continue;
    const total = info.allocatable.get(resource);
    if (amount <= total - info.requested.get(resource)) continue;
    const reason = resource === 'pods' ? 'Too many pods' : `Insufficient ${resource}`;
    rejections.push({ reason, unresolvable: amount > total });
  }
  return rejections;
}

/** The share of a resource that would be free after placing the pod, 0..1. */
export function freeShare(info: NodeInfo, request: ResourceSum, resource: 'cpu' | 'memory'): number {
  const total = info.allocatable.get(resource);
  if (total <= 0) return 0;
  const assumed = resource === 'cpu' ? DEFAULT_CPU_MILLIS : DEFAULT_MEMORY_BYTES;
  const asked = request.get(resource);
  const used = info.requested.get(resource) + (asked > 0 ? asked : assumed);
  return used >= total ? 0 : (total - used) / total;
}

export const nodeResourcesFit: Plugin = {
  name: 'NodeResourcesFit',
  filter(_state, pod, info) {
    const rejections = insufficientResources(podRequest(pod), info);
    return rejections.length === 0 ? undefined : rejections;
  },
  score(_state, pod, info) {
    const request = podRequest(pod);
    return Math.floor(((freeShare(info, request, 'cpu') + freeShare(info, request, 'memory')) / 2) * MAX_NODE_SCORE);
  },
};
