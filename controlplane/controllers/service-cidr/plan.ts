/**
 * Whether a range of service addresses may go: only if none of its addresses is left without a range. Pure.
 * Source: upstream `pkg/controller/servicecidrs`, KEP-1880.
 * Differs: ranges that are on their way out keep no addresses of others; of two that overlap and are both deleted, neither would.
 */
import type { ServiceCIDR } from '../../../proto/api/networking-v1.ts';
import { doOverlap, isWithin, parseNetwork, type IpNetwork } from '../../../machinery/meta/ip-number.ts';
import { isDeleting } from '../../../machinery/meta/object.ts';

export const FINALIZER = 'networking.k8s.io/service-cidr-finalizer';

/** Whether all of its addresses lie in other ranges: none has to be looked at. */
export function isCovered(range: ServiceCIDR, all: readonly ServiceCIDR[]): boolean {
  const others = networksOf(all.filter(other => other.metadata.name !== range.metadata.name && !isDeleting(other)));
  return networksOf([range]).every(own => others.some(other => other.prefix <= own.prefix && doOverlap(other, own)));
}

/** An address of the range that lies in no other one; undefined if there is none. */
export function orphanOf(
  range: ServiceCIDR,
  all: readonly ServiceCIDR[],
  addresses: readonly string[],
): string | undefined {
  const own = networksOf([range]);
  const others = networksOf(all.filter(other => other.metadata.name !== range.metadata.name && !isDeleting(other)));
  return addresses.find(
    address => own.some(network => isWithin(address, network)) && !others.some(network => isWithin(address, network)),
  );
}

function networksOf(ranges: readonly ServiceCIDR[]): IpNetwork[] {
  return ranges.flatMap(({ spec }) => (spec.cidrs ?? []).map(parseNetwork));
}
