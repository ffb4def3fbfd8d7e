/**
 * The EndpointSlices that say what Endpoints of the user's own say: proxies and DNS read slices alone. Pure.
 * Source: kubernetes.io/docs, "EndpointSlice mirroring"; upstream `pkg/controller/endpointslicemirroring`.
 */
import type { EndpointAddress, Endpoints, EndpointSubset, Service } from '../../../proto/api/core-v1.ts';
import type { Endpoint, EndpointSlice } from '../../../proto/api/discovery-v1.ts';
import { SERVICE_NAME_LABEL, TRIGGER_TIME_ANNOTATION } from '../../../machinery/meta/endpoint-slices.ts';
import { canonicalJson, jsonEquals } from '../../../machinery/meta/json-value.ts';
import { templateHash } from '../../../machinery/meta/name-hash.ts';
import { controllerRef } from '../../../machinery/meta/object.ts';
import { hasPodSelector } from '../runtime/plan/service-endpoints.ts';

export const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';
export const MANAGER = 'endpointslicemirroring-controller.k8s.io';
const SKIP = 'endpointslice.kubernetes.io/skip-mirror';
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';
const LEADER = 'control-plane.alpha.kubernetes.io/leader';
const ENDPOINTS_MANAGED_BY = 'endpoints.kubernetes.io/managed-by';
export const MAX_MIRRORED = 1000;

export interface MirrorPlan {
  create: EndpointSlice[];
  update: EndpointSlice[];
  delete: EndpointSlice[];
  /** Addresses beyond what is mirrored of one set of ports. */
  skipped: number;
}

/** Whether the object is a user's own, for a service whose pods the cluster does not find itself. */
export function isMirrored(endpoints: Endpoints | undefined, service: Service | undefined): endpoints is Endpoints {
  if (endpoints === undefined || service === undefined || hasPodSelector(service)) return false;
  const { labels = {}, annotations = {}, deletionTimestamp } = endpoints.metadata;
  if (deletionTimestamp !== undefined || labels[ENDPOINTS_MANAGED_BY] === 'endpoint-controller') return false;
  return labels[SKIP] !== 'true' && annotations[LEADER] === undefined;
}

/** @param slices those that were mirrored before @param endpoints undefined: none should be */
export function planMirror(endpoints: Endpoints | undefined, slices: readonly EndpointSlice[]): MirrorPlan {
  const mirrored = endpoints === undefined ? { slices: [], skipped: 0 } : slicesOf(endpoints);
  const plan: MirrorPlan = { create: [], update: [], delete: [], skipped: mirrored.skipped };
  const known = new Map(slices.map(slice => [slice.metadata.name, slice]));
  for (const wanted of mirrored.slices) {
    const old = known.get(wanted.metadata.name);
    known.delete(wanted.metadata.name);
    if (old === undefined) plan.create.push(wanted);
    else if (
      !jsonEquals(old.endpoints ?? [], wanted.endpoints) ||
      !jsonEquals(old.metadata.labels, wanted.metadata.labels) ||
      !jsonEquals(old.metadata.annotations ?? {}, wanted.metadata.annotations ?? {})
    ) {
      const { annotations: _, ...rest } = old.metadata;
      const { labels, annotations } = wanted.metadata;
      const metadata = { ...rest, labels, ...(annotations === undefined ? {} : { annotations }) };
      plan.update.push({ ...old, metadata, endpoints: wanted.endpoints });
    }
  }
  plan.delete.push(...[...known.values()].filter(slice => slice.metadata.deletionTimestamp === undefined));
  return plan;
}

/** One slice for each set of ports and address family; its name follows from them. */
function slicesOf(endpoints: Endpoints): { slices: EndpointSlice[]; skipped: number } {
  let skipped = 0;
  const groups = new Map<string, EndpointSlice & { endpoints: Endpoint[] }>();
  for (const subset of endpoints.subsets ?? []) {
    for (const [addresses, ready] of [
      [subset.addresses ?? [], true],
      [subset.notReadyAddresses ?? [], false],
    ] as const) {
      for (const address of addresses) {
        const type = address.ip.includes(':') ? 'IPv6' : 'IPv4';
        const key = canonicalJson([type, subset.ports ?? []]);
        let slice = groups.get(key);
        if (slice === undefined) groups.set(key, (slice = newSlice(endpoints, subset, type)));
        if (slice.endpoints.length < MAX_MIRRORED) slice.endpoints.push(toEndpoint(address, ready));
        else skipped++;
      }
    }
  }
  return { slices: [...groups.values()], skipped };
}

function newSlice(
  endpoints: Endpoints,
  subset: EndpointSubset,
  type: string,
): EndpointSlice & { endpoints: Endpoint[] } {
  const { name = '', namespace, uid, labels } = endpoints.metadata;
  const annotations = mirroredAnnotations(endpoints);
  const ports = (subset.ports ?? []).map(port => ({
    ...port,
    name: port.name ?? '',
    protocol: port.protocol ?? 'TCP',
  }));
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name.slice(0, 240)}-${templateHash([uid, type, ports]).slice(0, 10)}`,
      namespace,
      labels: { ...labels, [SERVICE_NAME_LABEL]: name, [MANAGED_BY]: MANAGER },
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
      ownerReferences: [controllerRef(endpoints, { group: '', version: 'v1', kind: 'Endpoints' })],
    },
    addressType: type,
    endpoints: [],
    ports,
  };
}

/** All but those that are of the Endpoints object itself. */
function mirroredAnnotations({ metadata }: Endpoints): Record<string, string> {
  const { [TRIGGER_TIME_ANNOTATION]: _, [LAST_APPLIED]: _applied, ...annotations } = metadata.annotations ?? {};
  return annotations;
}

function toEndpoint({ ip, hostname, nodeName, targetRef }: EndpointAddress, ready: boolean): Endpoint {
  return {
    addresses: [ip],
    conditions: { ready },
    ...(hostname === undefined || hostname === '' ? {} : { hostname }),
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(targetRef === undefined ? {} : { targetRef }),
  };
}
