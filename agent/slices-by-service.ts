/** EndpointSlices by their service, one index for all parts of a node: it has an entry for each of ten thousand services. */
import type { Informer } from '../machinery/client/informer.ts';
import type { EndpointSlice } from '../proto/api/discovery-v1.ts';

const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
const INDEX = 'service';

/** `namespace/name` of the service that a slice is of; undefined if it is of none. */
export function serviceOfSlice({ metadata }: EndpointSlice): string | undefined {
  const name = metadata.labels?.[SERVICE_NAME_LABEL];
  return name === undefined ? undefined : `${metadata.namespace}/${name}`;
}

/** @returns how to look them up by `namespace/name`; in no particular order */
export function slicesByService(informer: Informer<EndpointSlice>): (service: string) => EndpointSlice[] {
  informer.addIndex(INDEX, slice => {
    const service = serviceOfSlice(slice);
    return service === undefined ? [] : [service];
  });
  return service => informer.lister.byIndex(INDEX, service);
}
