/**
 * Which of the cluster's DNS addresses others answer: those whose Service has endpoints that are ready. Ours has none: it has no selector,
 * and nobody writes slices for it.
 */
import type { Service } from '../../../proto/api/core-v1.ts';
import type { EndpointSlice } from '../../../proto/api/discovery-v1.ts';

/**
 * @param service the one that has the address; undefined if none has
 * @param slices its slices
 */
export function isHandedOver(address: string, service: Service | undefined, slices: readonly EndpointSlice[]): boolean {
  const family = address.includes(':') ? 'IPv6' : 'IPv4';
  if (service === undefined || service.spec.type === 'ExternalName') return false;
  return slices.some(
    ({ addressType, endpoints, ports }) =>
      addressType === family &&
      (ports ?? []).some(({ port, protocol }) => port !== undefined && protocol === 'UDP') &&
      (endpoints ?? []).some(({ addresses, conditions }) => addresses.length > 0 && conditions?.ready !== false),
  );
}
