/** What DNS must know of the cluster to answer for it, as a file can hold it. */
import type { Service, ServiceSpec } from '../../../proto/api/core-v1.ts';
import type { EndpointSlice } from '../../../proto/api/discovery-v1.ts';
import {
  HEADLESS_LABEL,
  isHeadlessSlice,
  SERVICE_NAME_LABEL,
  serviceOfSlice,
} from '../../../machinery/meta/endpoint-slices.ts';
import { keyOf } from '../../../machinery/meta/object.ts';
import { fullAddress } from './reverse-name.ts';
import type { ClusterRecords } from './zone-records.ts';

const VERSION = 1;

interface Snapshot {
  readonly version: number;
  readonly services: readonly Service[];
  /** Of headless services. */
  readonly slices: readonly EndpointSlice[];
}

export function writeSnapshot(services: readonly Service[], slices: readonly EndpointSlice[]): string {
  const snapshot: Snapshot = {
    version: VERSION,
    services: services.map(({ metadata: { namespace, name }, spec }) => ({
      metadata: { namespace, name },
      spec: shortSpec(spec),
    })) as readonly Service[],
    slices: slices.filter(isHeadlessSlice).map(({ metadata, addressType, endpoints, ports }) => ({
      metadata: {
        namespace: metadata.namespace,
        name: metadata.name,
        labels: { [SERVICE_NAME_LABEL]: metadata.labels?.[SERVICE_NAME_LABEL] ?? '', [HEADLESS_LABEL]: '' },
      },
      addressType,
      endpoints: (endpoints ?? []).map(({ addresses, hostname, conditions }) => ({
        addresses,
        hostname,
        conditions: { ready: conditions?.ready },
      })),
      ports: (ports ?? []).map(({ name, port, protocol }) => ({ name, port, protocol })),
    })) as readonly EndpointSlice[],
  };
  return JSON.stringify(snapshot);
}

/** @returns undefined if the text is no snapshot of this version */
export function readSnapshot(text: string): ClusterRecords | undefined {
  let snapshot: Partial<Snapshot> | null;
  try {
    snapshot = JSON.parse(text) as Partial<Snapshot> | null;
  } catch {
    return undefined;
  }
  if (snapshot?.version !== VERSION || !Array.isArray(snapshot.services) || !Array.isArray(snapshot.slices))
    return undefined;
  return recordsOf(snapshot.services as Service[], snapshot.slices as EndpointSlice[]);
}

function recordsOf(services: readonly Service[], slices: readonly EndpointSlice[]): ClusterRecords {
  const byKey = new Map(services.map(service => [keyOf(service), service]));
  const byIP = new Map(
    services.flatMap(service => (service.spec.clusterIPs ?? []).map(ip => [fullAddress(ip), service])),
  );
  const namespaces = new Set(services.map(({ metadata }) => metadata.namespace));
  const slicesOf = new Map<string, EndpointSlice[]>();
  const slicesByIP = new Map<string, EndpointSlice[]>();
  const put = (map: Map<string, EndpointSlice[]>, key: string, slice: EndpointSlice): void =>
    void map.set(key, [...(map.get(key) ?? []), slice]);
  for (const slice of slices) {
    put(slicesOf, serviceOfSlice(slice) ?? '', slice);
    for (const { addresses } of slice.endpoints ?? [])
      for (const ip of addresses) put(slicesByIP, fullAddress(ip), slice);
  }
  return {
    service: (namespace, name) => byKey.get(`${namespace}/${name}`),
    slices: (namespace, service) => slicesOf.get(`${namespace}/${service}`) ?? [],
    hasNamespace: namespace => namespaces.has(namespace),
    serviceByIP: ip => byIP.get(ip),
    headlessSlicesByIP: ip => slicesByIP.get(ip) ?? [],
  };
}

function shortSpec({ type, clusterIP, clusterIPs, externalName, ports }: ServiceSpec): Partial<ServiceSpec> {
  return {
    type,
    clusterIP,
    clusterIPs: clusterIPs ?? (clusterIP === undefined || clusterIP === '' ? [] : [clusterIP]),
    externalName,
    ports: (ports ?? []).map(({ name, port, protocol }) => ({ name, port, protocol })),
  } as Partial<ServiceSpec>;
}
