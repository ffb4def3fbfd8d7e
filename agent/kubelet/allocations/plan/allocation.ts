/**
 * What a node has set aside for a pod: the resources of its spec as they were when the node took the pod, or accepted its newest resize.
 * Everything that the kubelet does to the pod goes by these, never by what the spec asks for since.
 * Source: KEP-1287; kubernetes 1.36 `pkg/kubelet/allocation`.
 */
import type { Container, Pod, ResourceList, ResourceRequirements } from '../../../../proto/api/core-v1.ts';
import { tryParseQuantity } from '../../../../machinery/meta/quantity.ts';
import { isSidecar } from '../../plan/pod-spec.ts';

export interface Allocation {
  /** By name, of containers that can be resized. */
  readonly containers: Readonly<Record<string, ResourceRequirements>>;
  /** Of the pod as a whole. */
  readonly pod?: ResourceRequirements;
}

/** What the pod's spec asks for. */
export function allocationOf({ spec }: Pod): Allocation {
  const containers = resizable(spec).map(container => [container.name, container.resources ?? {}] as const);
  return {
    containers: Object.fromEntries(containers),
    ...(spec.resources === undefined ? {} : { pod: spec.resources }),
  };
}

/** The pod as the node runs it; the very object if nothing of it differs from what it asks for. */
export function withAllocation(pod: Pod, allocation: Allocation | undefined): Pod {
  if (allocation === undefined) return pod;
  const { spec } = pod;
  const differs =
    !sameResources(spec.resources, allocation.pod) ||
    resizable(spec).some(
      c => c.name in allocation.containers && !sameResources(c.resources, allocation.containers[c.name]),
    );
  if (!differs) return pod;
  const given = (container: Container): Container => {
    const resources = allocation.containers[container.name];
    return resources === undefined ? container : { ...container, resources };
  };
  const { resources: _, ...rest } = spec;
  return {
    ...pod,
    spec: {
      ...rest,
      ...(allocation.pod === undefined ? {} : { resources: allocation.pod }),
      containers: spec.containers.map(given),
      ...(spec.initContainers === undefined
        ? {}
        : { initContainers: spec.initContainers.map(c => (isSidecar(c) ? given(c) : c)) }),
    },
  };
}

function resizable({ initContainers = [], containers }: Pod['spec']): Container[] {
  return [...initContainers.filter(isSidecar), ...containers];
}

/** Whether both mean the same amounts, however they are written. */
function sameResources(a: ResourceRequirements | undefined, b: ResourceRequirements | undefined): boolean {
  return sameAmounts(a?.requests, b?.requests) && sameAmounts(a?.limits, b?.limits);
}

function sameAmounts(a: ResourceList = {}, b: ResourceList = {}): boolean {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].every(name => {
    if (a[name] === b[name]) return true;
    const [left, right] = [tryParseQuantity(a[name] ?? ''), tryParseQuantity(b[name] ?? '')];
    return left !== undefined && right !== undefined && left.equals(right);
  });
}
