/**
 * Resource arithmetic of the scheduler: what a pod asks for and what a node has, as integers (cpu in milli-units, the rest in units).
 */
import { parseAmounts, podRequestsInUse, type Amounts } from '../../../machinery/meta/pod-resources.ts';
import type { Container, Node, Pod } from '../../../proto/api/core-v1.ts';

/** Upstream's assumed request of a container that asks for nothing, for scoring only: 100m and 200 MiB. */
export const DEFAULT_CPU_MILLIS = 100;
export const DEFAULT_MEMORY_BYTES = 200 * 1024 * 1024;

const NO_SCALARS: ReadonlyMap<string, number> = new Map();

/**
 * Amounts by resource: what every pod and node has in fields of their own, since thousands of nodes are looked at for one pod; all others
 * (huge pages, devices) in `scalars`.
 */
export class ResourceSum {
  cpuMillis = 0;
  memoryBytes = 0;
  ephemeralStorageBytes = 0;
  /** A count. */
  pods = 0;
  /** By name, in units. */
  scalars: ReadonlyMap<string, number> = NO_SCALARS;

  /** Cpu in millicores, `pods` a count, everything else in whole units (bytes for memory); 0 for what is not there. */
  get(resource: string): number {
    switch (resource) {
      case 'cpu':
        return this.cpuMillis;
      case 'memory':
        return this.memoryBytes;
      case 'ephemeral-storage':
        return this.ephemeralStorageBytes;
      case 'pods':
        return this.pods;
      default:
        return this.scalars.get(resource) ?? 0;
    }
  }

  set(resource: string, amount: number): this {
    switch (resource) {
      case 'cpu':
        this.cpuMillis = amount;
        break;
      case 'memory':
        this.memoryBytes = amount;
        break;
      case 'ephemeral-storage':
        this.ephemeralStorageBytes = amount;
        break;
      case 'pods':
        this.pods = amount;
        break;
      default:
        this.scalars = new Map(this.scalars).set(resource, amount);
    }
    return this;
  }

  add(other: ResourceSum, sign: 1 | -1 = 1): void {
    this.cpuMillis += sign * other.cpuMillis;
    this.memoryBytes += sign * other.memoryBytes;
    this.ephemeralStorageBytes += sign * other.ephemeralStorageBytes;
    this.pods += sign * other.pods;
    for (const [name, amount] of other.scalars) this.set(name, this.get(name) + sign * amount);
  }

  clone(): ResourceSum {
    const copy = new ResourceSum();
    copy.add(this);
    return copy;
  }

  /** Resources with an amount, by name. */
  *[Symbol.iterator](): IterableIterator<[string, number]> {
    if (this.pods !== 0) yield ['pods', this.pods];
    if (this.cpuMillis !== 0) yield ['cpu', this.cpuMillis];
    if (this.memoryBytes !== 0) yield ['memory', this.memoryBytes];
    if (this.ephemeralStorageBytes !== 0) yield ['ephemeral-storage', this.ephemeralStorageBytes];
    for (const entry of this.scalars) if (entry[1] !== 0) yield entry;
  }
}

const parsed = new WeakMap<object, ResourceSum>();

/** What the node offers to pods. */
export function allocatableOf(node: Node): ResourceSum {
  return inUnits(parseAmounts(node.status?.allocatable ?? node.status?.capacity));
}

/** What the pod takes from its node, `pods` (1) included. Cached by the pod object: callers must not change it. */
export function podRequest(pod: Pod): ResourceSum {
  const known = parsed.get(pod);
  if (known !== undefined) return known;
  const total = podRequestOf(pod);
  parsed.set(pod, total);
  return total;
}

const parsedForScore = new WeakMap<object, ResourceSum>();

/**
 * As `podRequest`, but every container that names no request of cpu or memory counts with upstream's assumption: so that nodes full of pods
 * that ask for nothing do not look empty. Cached by the pod object: callers must not change it.
 */
export function scoringRequest(pod: Pod): ResourceSum {
  const known = parsedForScore.get(pod);
  if (known !== undefined) return known;
  const { containers, initContainers, resources } = pod.spec;
  const complete =
    isComplete(resources) || [...containers, ...(initContainers ?? [])].every(c => isComplete(c.resources));
  const total = complete
    ? podRequest(pod)
    : podRequestOf({
        ...pod,
        spec: {
          ...pod.spec,
          containers: containers.map(withDefaults),
          initContainers: initContainers?.map(withDefaults),
        },
      });
  parsedForScore.set(pod, total);
  return total;
}

type Requests = {
  readonly requests?: Readonly<Record<string, unknown>> | undefined;
  readonly limits?: Readonly<Record<string, unknown>> | undefined;
};

function isComplete(resources: Requests | undefined): boolean {
  return ['cpu', 'memory'].every(
    name => resources?.requests?.[name] !== undefined || resources?.limits?.[name] !== undefined,
  );
}

const DEFAULTS = { cpu: `${DEFAULT_CPU_MILLIS}m`, memory: `${DEFAULT_MEMORY_BYTES}` };

function withDefaults(container: Container): Container {
  const { resources } = container;
  return {
    ...container,
    resources: { ...resources, requests: { ...DEFAULTS, ...resources?.limits, ...resources?.requests } },
  };
}

function podRequestOf(pod: Pod): ResourceSum {
  return inUnits(podRequestsInUse(pod)).set('pods', 1);
}

/** Whether the pod gives something of its node back. */
export function takesLess(now: Pod, before: Pod): boolean {
  const request = podRequest(now);
  return [...podRequest(before)].some(([resource, amount]) => amount > request.get(resource));
}

function inUnits(amounts: Amounts): ResourceSum {
  const sum = new ResourceSum();
  for (const [resource, quantity] of amounts)
    sum.set(resource, resource === 'cpu' ? quantity.milliValue() : quantity.value());
  return sum;
}
