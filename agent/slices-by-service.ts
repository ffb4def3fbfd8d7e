/** EndpointSlices by their service, one index for all parts of a node: it has an entry for each of ten thousand services. */
import type { Informer } from '../machinery/client/informer.ts';
import { serviceOfSlice } from '../machinery/meta/endpoint-slices.ts';
import type { EndpointSlice } from '../proto/api/discovery-v1.ts';

const INDEX = 'service';

/** @returns how to look them up by `namespace/name`; in no particular order */
export function slicesByService(informer: Informer<EndpointSlice>): (service: string) => EndpointSlice[] {
  informer.addIndex(INDEX, slice => {
    const service = serviceOfSlice(slice);
    return service === undefined ? [] : [service];
  });
  return service => informer.lister.byIndex(INDEX, service);
}
