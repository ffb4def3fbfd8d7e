/**
 * The cluster's records straight from the informers: two small indexes by address are all that is kept for DNS.
 */
import type { Informer } from '../../machinery/client/informer.ts';
import type { Namespace, Service } from '../../proto/api/core-v1.ts';
import type { EndpointSlice } from '../../proto/api/discovery-v1.ts';
import type { ClusterRecords } from './plan/answer-question.ts';
import { fullAddress } from './plan/reverse-name.ts';

const SERVICE_IP_INDEX = 'dns.ip';
const SLICE_SERVICE_INDEX = 'dns.service';
const SLICE_IP_INDEX = 'dns.ip';
const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
const HEADLESS_LABEL = 'service.kubernetes.io/headless';

export interface RecordInformers {
  readonly services: Informer<Service>;
  readonly endpointSlices: Informer<EndpointSlice>;
  /** Without it a namespace exists for DNS if it holds a service. */
  readonly namespaces?: Informer<Namespace>;
}

export class ListerRecords implements ClusterRecords {
  private readonly informers: RecordInformers;

  constructor(informers: RecordInformers) {
    this.informers = informers;
    informers.services.addIndex(SERVICE_IP_INDEX, ({ spec }) =>
      (spec.clusterIPs ?? [spec.clusterIP ?? '']).filter(ip => ip !== '' && ip !== 'None').map(fullAddress),
    );
    informers.endpointSlices.addIndex(SLICE_SERVICE_INDEX, ({ metadata }) => {
      const service = metadata.labels?.[SERVICE_NAME_LABEL];
      return service === undefined ? [] : [`${metadata.namespace}/${service}`];
    });
    // Only addresses of headless services have names of their own.
    informers.endpointSlices.addIndex(SLICE_IP_INDEX, ({ metadata, endpoints }) =>
      metadata.labels?.[HEADLESS_LABEL] === undefined
        ? []
        : (endpoints ?? []).flatMap(e => e.addresses.map(fullAddress)),
    );
  }

  hasSynced(): boolean {
    return this.informers.services.hasSynced() && this.informers.endpointSlices.hasSynced();
  }

  async synced(): Promise<void> {
    await Promise.all([this.informers.services.synced(), this.informers.endpointSlices.synced()]);
  }

  service(namespace: string, name: string): Service | undefined {
    return this.informers.services.lister.get(namespace, name);
  }

  slices(namespace: string, service: string): readonly EndpointSlice[] {
    return this.informers.endpointSlices.lister.byIndex(SLICE_SERVICE_INDEX, `${namespace}/${service}`);
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
