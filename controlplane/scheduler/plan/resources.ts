/**
 * Resource arithmetic of the scheduler: what a pod asks for and what a node has, as exact integers (cpu in milli-units, the rest in
 * units). Source: kubernetes.io/docs, "Resource sharing within containers" (init containers count by their maximum, restartable
 * ones from their start on) and KEP-753.
 */
import { parseQuantity } from '../../../machinery/meta/quantity.ts';
import type { Container, Node, Pod } from '../../../proto/api/core-v1.ts';

/** Amounts by resource name. `cpu` is in millicores, `pods` a count, everything else in whole units (bytes for memory). */
export type ResourceSum = Map<string, number>;

/** Upstream's assumed request of a container that asks for nothing, for scoring only: 100m and 200 MiB. */
export const DEFAULT_CPU_MILLIS = 100;
export const DEFAULT_MEMORY_BYTES = 200 * 1024 * 1024;

const parsed = new WeakMap<object, ResourceSum>();

/** What the node offers to pods. */
export function allocatableOf(node: Node): ResourceSum {
  return parseAmounts(node.status?.allocatable ?? node.status?.capacity ?? {});
}

/** What the pod takes from its node, `pods` (1) included. Cached by the pod object: callers must not change it. */
export function podRequest(pod: Pod): ResourceSum {
  const known = parsed.get(pod.spec);
  if (known !== undefined) return known;
  const total: ResourceSum = new Map();
  for (const container of pod.spec.containers) addTo(total, requestsOf(container));
  const restartable: ResourceSum = new Map();
  const initPeak: ResourceSum = new Map();
  for (const container of pod.spec.initContainers ?? []) {
    const own = requestsOf(container);
    if (container.restartPolicy === 'Always') {
      addTo(total, own);
      addTo(restartable, own);
      maxOf(initPeak, restartable);
    } else {
      const withSidecars = new Map(restartable);
      addTo(withSidecars, own);
      maxOf(initPeak, withSidecars);
    }
  }
  maxOf(total, initPeak);
  // Pod-level resources (KEP-2837) stand in for the sum of the containers'.
  const podLevel = parseAmounts(pod.spec.resources?.requests ?? {});
  for (const [resource, amount] of podLevel) total.set(resource, amount);
  addTo(total, parseAmounts(pod.spec.overhead ?? {}));
  total.set('pods', 1);
  parsed.set(pod.spec, total);
  return total;
}

function requestsOf(container: Container): ResourceSum {
  return parseAmounts(container.resources?.requests ?? {});
}

function parseAmounts(list: Readonly<Record<string, string>>): ResourceSum {
  const sum: ResourceSum = new Map();
  for (const [resource, text] of Object.entries(list)) {
    const quantity = parseQuantity(String(text));
    sum.set(resource, resource === 'cpu' ? quantity.milliValue() : quantity.value());
  }
  return sum;
}

function addTo(target: ResourceSum, more: ResourceSum): void {
  for (const [resource, amount] of more) target.set(resource, (target.get(resource) ?? 0) + amount);
}

function maxOf(target: ResourceSum, other: ResourceSum): void {
  for (const [resource, amount] of other) if (amount > (target.get(resource) ?? 0)) target.set(resource, amount);
}
