/** Which devices there are and whose they are. Pure: changes give a new state. */
import type { Container, Pod, ResourceStatus } from '../../../../proto/api/core-v1.ts';
import type { ContainerAllocateResponse } from '../../../../proto/plugins/devices/device-plugin.gen.ts';
import type { Decoded } from '../../../../proto/decoded.ts';
import { tryParseQuantity } from '../../../../machinery/meta/quantity.ts';
import { uidOf } from '../../plan/pod-spec.ts';
import { NotEnoughError } from './admission-failure.ts';
import type { DeviceView } from './device-choice.ts';
import { passingContainers } from './pod-parts.ts';

/** What a plugin told of one resource. */
export interface DeviceResource {
  /** By id. */
  readonly devices: ReadonlyMap<string, DeviceView>;
  /** Whether the plugin is there. Without it nothing is known of the devices, and none is given. */
  readonly connected: boolean;
}

/** Devices of one resource that one container has. */
export interface DeviceGrant {
  /** Ids by NUMA node, `NOWHERE` for those that lie on none; one that is near to several is there several times. */
  readonly byNode: ReadonlyMap<number, readonly string[]>;
  /** What the plugin answered; undefined while it is being asked. */
  readonly response: Decoded<ContainerAllocateResponse> | undefined;
}

/** By pod UID, container name and resource name. */
export type DeviceGrants = ReadonlyMap<string, ReadonlyMap<string, ReadonlyMap<string, DeviceGrant>>>;

export function grantOf(
  grants: DeviceGrants,
  uid: string,
  container: string,
  resource: string,
): DeviceGrant | undefined {
  return grants.get(uid)?.get(container)?.get(resource);
}

/** Sorted, each once. */
export function idsOf(grant: DeviceGrant): string[] {
  return [...new Set([...grant.byNode.values()].flat())].sort();
}

export function withGrant(
  grants: DeviceGrants,
  uid: string,
  container: string,
  resource: string,
  grant: DeviceGrant | undefined,
): DeviceGrants {
  const containers = new Map(grants.get(uid));
  const resources = new Map(containers.get(container));
  if (grant === undefined) resources.delete(resource);
  else resources.set(resource, grant);
  if (resources.size === 0) containers.delete(container);
  else containers.set(container, resources);
  const next = new Map(grants);
  if (containers.size === 0) next.delete(uid);
  else next.set(uid, containers);
  return next;
}

/** Everybody's devices of the resource. */
export function takenDevices(grants: DeviceGrants, resource: string): Set<string> {
  const taken = new Set<string>();
  for (const containers of grants.values()) {
    for (const resources of containers.values()) {
      const grant = resources.get(resource);
      if (grant !== undefined) for (const id of idsOf(grant)) taken.add(id);
    }
  }
  return taken;
}

/** Devices that init containers of the pod leave to the next container. */
export function reusableDevices(grants: DeviceGrants, pod: Pod, resource: string): string[] {
  const passing = passingContainers(pod);
  const own = [...(grants.get(uidOf(pod)) ?? [])];
  const ids = (ofPassing: boolean): string[] =>
    own
      .filter(([name]) => passing.has(name) === ofPassing)
      .flatMap(([, resources]) => {
        const grant = resources.get(resource);
        return grant === undefined ? [] : idsOf(grant);
      });
  const kept = new Set(ids(false));
  return [...new Set(ids(true))].filter(id => !kept.has(id)).sort();
}

export function freeDevices({ devices }: DeviceResource, grants: DeviceGrants, resource: string): DeviceView[] {
  const taken = takenDevices(grants, resource);
  return [...devices.values()].filter(device => device.healthy && !taken.has(device.id)).sort(byId);
}

/** The key of devices that lie on no node, as in upstream's checkpoint. */
export const NOWHERE = -1;

export function groupByNode(ids: readonly string[], { devices }: DeviceResource): Map<number, string[]> {
  const groups = new Map<number, string[]>();
  for (const id of ids) {
    const nodes = devices.get(id)?.nodes ?? [];
    for (const node of nodes.length === 0 ? [NOWHERE] : nodes) groups.set(node, [...(groups.get(node) ?? []), id]);
  }
  return groups;
}

/** What the container may use of the resource: extended resources have equal requests and limits. */
export function deviceLimit(container: Container, resource: string): number {
  const text = container.resources?.limits?.[resource];
  return text === undefined ? 0 : (tryParseQuantity(text)?.value() ?? 0);
}

/**
 * Whether devices that the container has already will do.
 * @throws NotEnoughError that tells why they will not
 */
export function checkGrant(
  pod: Pod,
  container: string,
  resource: string,
  count: number,
  grant: DeviceGrant,
  { devices, connected }: DeviceResource,
): void {
  const ids = idsOf(grant);
  if (ids.length !== count) {
    const message = `pod "${uidOf(pod)}" container "${container}" changed request for resource "${resource}" from ${ids.length} to ${count}`;
    throw new NotEnoughError(message);
  }
  if (!connected) throw new NotEnoughError(`no healthy devices present; cannot allocate unhealthy devices ${resource}`);
  if (ids.some(id => devices.get(id)?.healthy !== true)) {
    const message = `previously allocated devices are no longer healthy; cannot allocate unhealthy devices ${resource}`;
    throw new NotEnoughError(message);
  }
}

/** Amounts for the node's status. What a plugin that is away had is capacity still, and not allocatable. */
export function deviceAmounts(resources: ReadonlyMap<string, DeviceResource>): {
  readonly capacity: Record<string, string>;
  readonly allocatable: Record<string, string>;
} {
  const capacity: Record<string, string> = {};
  const allocatable: Record<string, string> = {};
  for (const [name, { devices, connected }] of resources) {
    capacity[name] = String(devices.size);
    allocatable[name] = String(connected ? [...devices.values()].filter(device => device.healthy).length : 0);
  }
  return { capacity, allocatable };
}

/** For `allocatedResourcesStatus`. @param resource undefined: its plugin has not been seen for long */
export function resourceStatus(name: string, grant: DeviceGrant, resource: DeviceResource | undefined): ResourceStatus {
  const healthOf = (id: string): string => {
    const device = resource?.devices.get(id);
    if (resource?.connected !== true || device === undefined) return 'Unknown';
    return device.healthy ? 'Healthy' : 'Unhealthy';
  };
  return { name, resources: idsOf(grant).map(id => ({ resourceID: id, health: healthOf(id) })) };
}

function byId(a: DeviceView, b: DeviceView): number {
  return a.id < b.id ? -1 : Number(a.id > b.id);
}
