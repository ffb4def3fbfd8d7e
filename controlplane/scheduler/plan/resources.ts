/**
 * Resource arithmetic of the scheduler: what a pod asks for and what a node has, as integers (cpu in milli-units, the rest in units).
 */
import { parseAmounts, podRequestsInUse, type Amounts } from '../../../machinery/meta/pod-resources.ts';
import type { Node, Pod } from '../../../proto/api/core-v1.ts';

/** Amounts by resource name. `cpu` is in millicores, `pods` a count, everything else in whole units (bytes for memory). */
export type ResourceSum = Map<string, number>;

/** Upstream's assumed request of a container that asks for nothing, for scoring only: 100m and 200 MiB. */
export const DEFAULT_CPU_MILLIS = 100;
export const DEFAULT_MEMORY_BYTES = 200 * 1024 * 1024;

const parsed = new WeakMap<object, ResourceSum>();

/** What the node offers to pods. */
export function allocatableOf(node: Node): ResourceSum {
  return inUnits(parseAmounts(node.status?.allocatable ?? node.status?.capacity));
}

/** What the pod takes from its node, `pods` (1) included. Cached by the pod object: callers must not change it. */
export function podRequest(pod: Pod): ResourceSum {
  const known = parsed.get(pod);
  if (known !== undefined) return known;
  const total = inUnits(podRequestsInUse(pod)).set('pods', 1);
  parsed.set(pod, total);
  return total;
}

/** Whether the pod gives something of its node back. */
export function takesLess(now: Pod, before: Pod): boolean {
  const request = podRequest(now);
  return [...podRequest(before)].some(([resource, amount]) => amount > (request.get(resource) ?? 0));
}

function inUnits(amounts: Amounts): ResourceSum {
  const sum: ResourceSum = new Map();
  for (const [resource, quantity] of amounts)
    sum.set(resource, resource === 'cpu' ? quantity.milliValue() : quantity.value());
  return sum;
}
