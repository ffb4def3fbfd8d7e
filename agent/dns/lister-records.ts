/**
 * The cluster's records straight from the informers: small indexes by address and service are all that is kept for DNS.
 */
import type { Informer } from '../../machinery/client/informer.ts';
import type { Namespace, Service } from '../../proto/api/core-v1.ts';
import type { EndpointSlice } from '../../proto/api/discovery-v1.ts';
import { isHeadlessSlice, serviceOfSlice } from '../../machinery/meta/endpoint-slices.ts';
import { slicesByService } from '../slices-by-service.ts';
import { fullAddress } from './plan/reverse-name.ts';
import type { ClusterRecords } from './plan/zone-records.ts';

const SERVICE_IP_INDEX = 'dns.ip';
const SLICE_IP_INDEX = 'dns.ip';

export interface RecordInformers {
  readonly services: Informer<Service>;
  readonly endpointSlices: Informer<EndpointSlice>;
  /** Without it a namespace exists for DNS if it holds a service. */
  readonly namespaces?: Informer<Namespace>;
}

/** Called at once when an object changes; must not throw. */
export interface RecordChanges {
  /** `namespace/name` of the service that the change is about; empty if it is about a namespace. */
  changed(service: string): void;
  /** A slice of a headless service is known, new or changed. */
  headless(slice: EndpointSlice): void;
}

export class ListerRecords implements ClusterRecords {
  private readonly informers: RecordInformers;
  private readonly slicesOf: (service: string) => EndpointSlice[];

  constructor(informers: RecordInformers) {
    this.informers = informers;
    informers.services.addIndex(SERVICE_IP_INDEX, ({ spec }) => clusterIPsOf(spec).map(fullAddress));
    this.slicesOf = slicesByService(informers.endpointSlices);
    // Only addresses of headless services have names of their own.
    informers.endpointSlices.addIndex(SLICE_IP_INDEX, slice =>
      isHeadlessSlice(slice) ? (slice.endpoints ?? []).flatMap(e => e.addresses.map(fullAddress)) : [],
    );
  }

  hasSynced(): boolean {
    return this.informers.services.hasSynced() && this.informers.endpointSlices.hasSynced();
  }

  async synced(): Promise<void> {
    await Promise.all([this.informers.services.synced(), this.informers.endpointSlices.synced()]);
  }

  /** Tells of every change from now on; the returned function ends that. */
  follow({ changed, headless }: RecordChanges): () => void {
    const { services, endpointSlices, namespaces } = this.informers;
    const ofService = ({ metadata }: Service): void => changed(`${metadata.namespace}/${metadata.name}`);
    const ofSlice = (slice: EndpointSlice): void => changed(serviceOfSlice(slice) ?? '');
    const ofNamespace = (): void => changed('');
    const removeHandlers = [
      services.addHandler({ onAdd: ofService, onUpdate: (_, now) => ofService(now), onDelete: ofService }),
      endpointSlices.addHandler({
        onAdd: (slice, isInitial) => {
          ofSlice(slice);
          if (!isInitial && isHeadlessSlice(slice)) headless(slice);
        },
        onUpdate: (before, now) => {
          ofSlice(before);
          ofSlice(now);
          if (isHeadlessSlice(now)) headless(now);
        },
        onDelete: ofSlice,
      }),
      ...(namespaces === undefined ? [] : [namespaces.addHandler({ onAdd: ofNamespace, onDelete: ofNamespace })]),
    ];
    return () => removeHandlers.forEach(remove => remove());
  }

  /** All services and slices. */
  all(): [Service[], EndpointSlice[]] {
    return [this.informers.services.lister.list(), this.informers.endpointSlices.lister.list()];
  }

  service(namespace: string, name: string): Service | undefined {
    return this.informers.services.lister.get(namespace, name);
  }

  slices(namespace: string, service: string): readonly EndpointSlice[] {
    return this.slicesOf(`${namespace}/${service}`);
  }

  hasNamespace(namespace: string): boolean {
    const { namespaces, services } = this.informers;
    if (namespaces?.hasSynced() === true) return namespaces.lister.get(undefined, namespace) !== undefined;
    return services.lister.list(namespace).length > 0;
  }

  serviceByIP(ip: string): Service | undefined {
    return this.informers.services.lister.byIndex(SERVICE_IP_INDEX, ip)[0];
  }

  headlessSlicesByIP(ip: string): readonly EndpointSlice[] {
    return this.informers.endpointSlices.lister.byIndex(SLICE_IP_INDEX, ip);
  }
}

function clusterIPsOf({ clusterIP, clusterIPs }: Service['spec']): string[] {
  return (clusterIPs ?? [clusterIP ?? '']).filter(ip => ip !== '' && ip !== 'None');
}
