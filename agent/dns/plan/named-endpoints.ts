/** Endpoints by the names that they have in DNS. */
import type { EndpointSlice } from '../../../proto/api/discovery-v1.ts';
import { dashesOf, fullAddress } from './reverse-name.ts';

export interface NamedEndpoint {
  /** In lower case; the address with dashes if the pod has none. */
  readonly hostname: string;
  readonly ip: string;
  /** For comparison: IPv6 in full length. */
  readonly fullIP: string;
  readonly slice: EndpointSlice;
}

/** Endpoints that are ready (or whose service publishes them anyway: then their slice says ready). */
export function namedEndpoints(slices: readonly EndpointSlice[]): NamedEndpoint[] {
  const named: NamedEndpoint[] = [];
  for (const slice of slices) {
    if (slice.addressType === 'FQDN') continue;
    for (const { addresses, hostname, conditions } of slice.endpoints ?? []) {
      if (conditions?.ready === false) continue;
      const own = hostname === undefined || hostname === '' ? undefined : hostname.toLowerCase();
      for (const ip of addresses) named.push({ hostname: own ?? dashesOf(ip), ip, fullIP: fullAddress(ip), slice });
    }
  }
  return named;
}
