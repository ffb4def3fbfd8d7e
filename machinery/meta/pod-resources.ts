/**
 * What a pod asks for and may use, and the quality-of-service class that follows.
 * Source: kubernetes.io/docs, "Pod QoS Classes", "Sidecar containers: resource sharing"; KEP-2837 for pod-level resources.
 */
import type { Container, Pod, PodQOSClass, ResourceList } from '../../proto/api/core-v1.ts';
import { Quantity, tryParseQuantity } from './quantity.ts';

/** Amounts by resource name, as the API writes them. */
export type ResourceAmounts = Readonly<Record<string, string>>;

/** The text if it is a quantity; a value that validation let through in error must not stop a pod. */
export function gibberishFree(text: string | undefined): string | undefined {
  return text !== undefined && tryParseQuantity(text) !== undefined ? text : undefined;
}

/** A parsed resource list. */
export type Amounts = ReadonlyMap<string, Quantity>;

export function parseAmounts(list: ResourceList | undefined): Amounts {
  const amounts = new Map<string, Quantity>();
  for (const [name, text] of Object.entries(list ?? {})) {
    const quantity = tryParseQuantity(text);
    if (quantity !== undefined) amounts.set(name, quantity);
  }
  return amounts;
}

export function addAmounts(a: Amounts, b: Amounts): Amounts {
  const sum = new Map(a);
  for (const [name, quantity] of b) sum.set(name, (sum.get(name) ?? Quantity.zero).add(quantity));
  return sum;
}

export function maxAmounts(a: Amounts, b: Amounts): Amounts {
  const max = new Map(a);
  for (const [name, quantity] of b) {
    const other = max.get(name);
    if (other === undefined || other.compare(quantity) < 0) max.set(name, quantity);
  }
  return max;
}

function requestsOf(container: Container): Amounts {
  return parseAmounts({ ...container.resources?.limits, ...container.resources?.requests });
}

function limitsOf(container: Container): Amounts {
  return parseAmounts(container.resources?.limits);
}

/** A restartable init container: it runs beside the main ones. */
function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always';
}

/** Main containers and sidecars together, or one init container with the sidecars before it, whichever is more. */
function aggregate(pod: Pod, amountsOf: (container: Container) => Amounts): Amounts {
  let total: Amounts = new Map();
  for (const container of pod.spec.containers) total = addAmounts(total, amountsOf(container));
  let sidecars: Amounts = new Map();
  let initPeak: Amounts = new Map();
  for (const container of pod.spec.initContainers ?? []) {
    const own = amountsOf(container);
    if (isSidecar(container)) {
      total = addAmounts(total, own);
      sidecars = addAmounts(sidecars, own);
      initPeak = maxAmounts(initPeak, sidecars);
    } else {
      initPeak = maxAmounts(initPeak, addAmounts(sidecars, own));
    }
  }
  return maxAmounts(total, initPeak);
}

/** What the scheduler and the node count for this pod, overhead included. */
export function podRequests(pod: Pod): Amounts {
  const { resources, overhead } = pod.spec;
  const own = new Map([
    ...aggregate(pod, requestsOf),
    ...parseAmounts({ ...resources?.limits, ...resources?.requests }),
  ]);
  return addAmounts(own, parseAmounts(overhead));
}

/**
 * What the pod takes from its node now. While a resize is under way that is, of each container, the most of what it asks for, what the
 * node has set aside and what the container has; a resize that the node can never carry out does not count.
 * Source: kubernetes 1.36 `component-helpers/resource`, PodRequests with UseStatusResources (KEP-1287).
 */
export function podRequestsInUse(pod: Pod): Amounts {
  const { containerStatuses = [], initContainerStatuses = [], ...whole } = pod.status ?? {};
  const statuses = new Map([...initContainerStatuses, ...containerStatuses].map(status => [status.name, status]));
  const told = [...statuses.values(), whole].some(part => part.allocatedResources !== undefined || part.resources);
  if (!told) return podRequests(pod);
  const infeasible = (whole.conditions ?? []).some(
    ({ type, status, reason }) => type === 'PodResizePending' && status === 'True' && reason === 'Infeasible',
  );
  const inUse = (asked: Amounts, part: InUse | undefined): Amounts => {
    const held = maxAmounts(parseAmounts(part?.allocatedResources), parseAmounts(part?.resources?.requests));
    return infeasible && held.size > 0 ? held : maxAmounts(asked, held);
  };
  const { resources, overhead } = pod.spec;
  const own = new Map([
    ...aggregate(pod, container => inUse(requestsOf(container), statuses.get(container.name))),
    ...(resources === undefined ? [] : inUse(parseAmounts({ ...resources.limits, ...resources.requests }), whole)),
  ]);
  return addAmounts(own, parseAmounts(overhead));
}

/** As statuses of containers and of pods say it. */
interface InUse {
  readonly allocatedResources?: ResourceList | undefined;
  readonly resources?: { readonly requests?: ResourceList | undefined } | undefined;
}

/**
 * @param of `all`: a resource is in here only if every container limits it, or the pod as a whole does: the pod is bounded by it.
 *   `any`: what is limited adds up, as quotas count it.
 */
export function podLimits(pod: Pod, of: 'all' | 'any' = 'all'): Amounts {
  const { resources, overhead } = pod.spec;
  const everyone = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
  const sum = [...aggregate(pod, limitsOf)].filter(
    ([name]) => of === 'any' || everyone.every(c => c.resources?.limits?.[name] !== undefined),
  );
  const own = new Map([...sum, ...parseAmounts(resources?.limits)]);
  const extra = [...parseAmounts(overhead)].filter(([name]) => own.has(name));
  return addAmounts(own, new Map(extra));
}

const QOS_RESOURCES = ['cpu', 'memory'] as const;

/** The class by which the kernel and eviction treat the pod. Takes a pod that is not validated yet too. */
export function qosClassOf({ spec }: Pick<Pod, 'spec'>): PodQOSClass {
  const podLevel = spec.resources;
  const parts =
    podLevel?.requests !== undefined || podLevel?.limits !== undefined
      ? [podLevel]
      : [...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(c => c.resources ?? {});
  let anything = false;
  let guaranteed = true;
  for (const { requests, limits } of parts) {
    for (const name of QOS_RESOURCES) {
      const limit = positive(limits?.[name]);
      const request = positive(requests?.[name]) ?? limit;
      if (request !== undefined || limit !== undefined) anything = true;
      if (limit === undefined || request === undefined || !request.equals(limit)) guaranteed = false;
    }
  }
  if (!anything) return 'BestEffort';
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

function positive(text: string | undefined): Quantity | undefined {
  const quantity = text === undefined ? undefined : tryParseQuantity(text);
  return quantity !== undefined && quantity.sign() > 0 ? quantity : undefined;
}
