/** Where devices of one resource could be taken from for a pod. Source: `pkg/kubelet/cm/devicemanager/topology_hints.go` 1.36. */
import type { Container, Pod } from '../../../../proto/api/core-v1.ts';
import type { NumaNode } from '../../../../machinery/meta/machine-topology.ts';
import { uidOf } from '../../plan/pod-spec.ts';
import { deviceHints, type DeviceView } from './device-choice.ts';
import {
  deviceLimit,
  freeDevices,
  grantOf,
  idsOf,
  reusableDevices,
  type DeviceGrants,
  type DeviceResource,
} from './device-state.ts';
import { givenContainers, peakOf } from './pod-parts.ts';
import type { TopologyHint } from './topology-policy.ts';

/**
 * @param container undefined: for the pod as a whole
 * @returns undefined if it does not matter
 */
export function resourceHints(
  machine: readonly NumaNode[],
  grants: DeviceGrants,
  name: string,
  resource: DeviceResource,
  pod: Pod,
  container?: Container,
): readonly TopologyHint[] | undefined {
  const containers = container === undefined ? givenContainers(pod) : [container];
  const had = new Set(
    containers.flatMap(one => {
      const grant = grantOf(grants, uidOf(pod), one.name, name);
      return grant === undefined ? [] : idsOf(grant);
    }),
  );
  const count = container === undefined ? peakOf(pod, one => deviceLimit(one, name)) : deviceLimit(container, name);
  const all = [...resource.devices.values()];
  if (had.size > 0) return had.size === count ? deviceHints(machine, count, all, viewsOf(resource, had), []) : [];
  const reusable = container === undefined ? [] : reusableDevices(grants, pod, name);
  return deviceHints(machine, count, all, freeDevices(resource, grants, name), viewsOf(resource, reusable));
}

function viewsOf({ devices }: DeviceResource, ids: Iterable<string>): DeviceView[] {
  return [...ids].flatMap(id => devices.get(id) ?? []);
}
