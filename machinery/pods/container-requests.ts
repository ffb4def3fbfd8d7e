/**
 * What the containers of a pod ask for together. Source: Kubernetes `component-helpers/resource` (AggregateContainerRequests), 1.36.
 */
import { addAmounts, maxAmounts, parseAmounts, type Amounts } from '../meta/pod-resources.ts';
import type { PodSpec } from '../../proto/api/core-v1.ts';

/** At the moment when it is most: all that run beside each other, or one init container with the sidecars before it. */
export function containerRequests(spec: PodSpec): Amounts {
  let total: Amounts = new Map();
  for (const container of spec.containers ?? []) total = addAmounts(total, parseAmounts(container.resources?.requests));
  let sidecars: Amounts = new Map();
  let peak: Amounts = new Map();
  for (const container of spec.initContainers ?? []) {
    const own = parseAmounts(container.resources?.requests);
    if (container.restartPolicy === 'Always') {
      total = addAmounts(total, own);
      sidecars = addAmounts(sidecars, own);
      peak = maxAmounts(peak, sidecars);
    } else peak = maxAmounts(peak, addAmounts(sidecars, own));
  }
  return maxAmounts(total, peak);
}
