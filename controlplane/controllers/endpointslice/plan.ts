/**
 * The EndpointSlices that a service should have, changing as few of those it has as possible. Pure.
 * Source: upstream `staging/src/k8s.io/endpointslice`; slices hold at most 100 endpoints that share their ports.
 */
import type { Pod, Service } from '../../../proto/api/core-v1.ts';
import type { Endpoint, EndpointPort, EndpointSlice } from '../../../proto/api/discovery-v1.ts';
import { canonicalJson, jsonEquals } from '../../../machinery/meta/json-value.ts';
import { templateHash } from '../../../machinery/meta/name-hash.ts';
import { controllerRef } from '../../../machinery/meta/object.ts';
import { isPodReady } from '../runtime/plan/pod-state.ts';
import {
  addressOf,
  addressTypesOf,
  hostnameIn,
  isHeadless,
  resolvePorts,
  type AddressType,
  type ResolvedPort,
} from '../runtime/plan/service-endpoints.ts';

export const SERVICE_NAME = 'kubernetes.io/service-name';
export const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';
export const MANAGER = 'endpointslice-controller.k8s.io';
const HEADLESS = 'service.kubernetes.io/headless';
const MAX_ENDPOINTS = 100;

export interface SlicePlan {
  create: EndpointSlice[];
  update: EndpointSlice[];
  delete: EndpointSlice[];
}

interface Group {
  type: AddressType;
  ports: EndpointPort[];
  endpoints: Endpoint[];
}

/**
 * @param slices those that this controller made for the service
 * @param zoneOf the zone of a node, if known
 */
export function planSlices(
  service: Service,
  pods: readonly Pod[],
  slices: readonly EndpointSlice[],
  zoneOf: (node: string) => string | undefined,
): SlicePlan {
  const plan: SlicePlan = { create: [], update: [], delete: [] };
  const left = new Set(slices.filter(slice => slice.metadata.deletionTimestamp === undefined));
  const names = new Set(slices.map(slice => slice.metadata.name ?? ''));
  for (const group of groupsOf(service, pods, zoneOf)) {
    const key = portsKey(group.ports);
    const mine = [...left].filter(slice => slice.addressType === group.type && portsKey(slice.ports) === key);
    for (const slice of mine) left.delete(slice);
    fill(service, group, mine, names, plan);
  }
  plan.delete.push(...left);
  return plan;
}

function groupsOf(service: Service, pods: readonly Pod[], zoneOf: (node: string) => string | undefined): Group[] {
  const groups = new Map<string, Group>();
  for (const type of addressTypesOf(service)) {
    for (const pod of pods) {
      const address = addressOf(pod, type);
      const ports = resolvePorts(service, pod).map(toEndpointPort);
      // A pod that has none of the ports can serve nothing, unless the service is headless and asks for none.
      if (address === undefined || (ports.length === 0 && (service.spec?.ports ?? []).length > 0)) continue;
      const key = `${type} ${portsKey(ports)}`;
      let group = groups.get(key);
      if (group === undefined) groups.set(key, (group = { type, ports, endpoints: [] }));
      group.endpoints.push(toEndpoint(service, pod, address, zoneOf));
    }
    // A service without endpoints has one empty slice, so that everyone sees that it was looked at.
    if (![...groups.values()].some(group => group.type === type)) {
      groups.set(`${type} none`, { type, ports: [], endpoints: [] });
    }
  }
  return [...groups.values()];
}

/** Puts the group's endpoints into its slices: those that are there stay where they are, new ones fill gaps, then new slices. */
function fill(
  service: Service,
  group: Group,
  slices: readonly EndpointSlice[],
  names: Set<string>,
  plan: SlicePlan,
): void {
  const wanted = new Map(group.endpoints.map(endpoint => [endpointKey(endpoint), endpoint]));
  const kept = slices.map(slice => {
    const endpoints: Endpoint[] = [];
    for (const endpoint of slice.endpoints ?? []) {
      const next = wanted.get(endpointKey(endpoint));
      if (next === undefined) continue;
      wanted.delete(endpointKey(endpoint));
      endpoints.push(next);
    }
    return { slice, endpoints };
  });
  const fresh = [...wanted.values()];
  // The fullest first: few slices, and few of them touched.
  for (const target of [...kept].sort((a, b) => b.endpoints.length - a.endpoints.length)) {
    target.endpoints.push(...fresh.splice(0, Math.max(0, MAX_ENDPOINTS - target.endpoints.length)));
  }
  const isPlaceholder = group.endpoints.length === 0;
  let remaining = kept.length;
  for (const { slice, endpoints } of kept) {
    if (endpoints.length === 0 && !(isPlaceholder && remaining === 1)) {
      plan.delete.push(slice);
      remaining--;
      continue;
    }
    const labels = labelsOf(service);
    const same = jsonEquals(slice.endpoints ?? [], endpoints) && jsonEquals(slice.metadata.labels, labels);
    if (!same) plan.update.push({ ...slice, metadata: { ...slice.metadata, labels }, endpoints });
  }
  if (isPlaceholder && kept.length === 0) plan.create.push(newSlice(service, group, [], names));
  while (fresh.length > 0) plan.create.push(newSlice(service, group, fresh.splice(0, MAX_ENDPOINTS), names));
}

/** Names follow from what the slice is for: a second run on old knowledge meets the first one's slice, and not makes another. */
function newSlice(service: Service, group: Group, endpoints: Endpoint[], names: Set<string>): EndpointSlice {
  const prefix = (service.metadata.name ?? '').slice(0, 240);
  let name: string;
  let ordinal = 0;
  do name = `${prefix}-${templateHash([service.metadata.uid, group.type, group.ports, ordinal++]).slice(0, 10)}`;
  while (names.has(name));
  names.add(name);
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name,
      namespace: service.metadata.namespace,
      labels: labelsOf(service),
      ownerReferences: [controllerRef(service, { group: '', version: 'v1', kind: 'Service' })],
    },
    addressType: group.type,
    endpoints,
    ports: group.ports,
  };
}

function labelsOf(service: Service): Record<string, string> {
  const own: Record<string, string> = { [SERVICE_NAME]: service.metadata.name ?? '', [MANAGED_BY]: MANAGER };
  if (isHeadless(service)) own[HEADLESS] = '';
  return { ...service.metadata.labels, ...own };
}

function toEndpoint(
  service: Service,
  pod: Pod,
  address: string,
  zoneOf: (node: string) => string | undefined,
): Endpoint {
  const serving = isPodReady(pod);
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const ready = service.spec?.publishNotReadyAddresses === true || (serving && !terminating);
  const nodeName = pod.spec?.nodeName;
  const zone = nodeName === undefined ? undefined : zoneOf(nodeName);
  const hostname = hostnameIn(service, pod);
  const { namespace, name, uid } = pod.metadata;
  return {
    addresses: [address],
    conditions: { ready, serving, terminating },
    ...(hostname === undefined ? {} : { hostname }),
    targetRef: { kind: 'Pod', namespace, name, uid },
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(zone === undefined ? {} : { zone }),
  };
}

function toEndpointPort(port: ResolvedPort): EndpointPort {
  return { ...port };
}

function endpointKey(endpoint: Endpoint): string {
  return `${endpoint.targetRef?.uid ?? ''} ${endpoint.addresses[0] ?? ''}`;
}

function portsKey(ports: readonly EndpointPort[] | undefined): string {
  return (ports ?? [])
    .map(({ name = '', protocol = 'TCP', port, appProtocol }) => canonicalJson([name, protocol, port, appProtocol]))
    .sort()
    .join();
}
