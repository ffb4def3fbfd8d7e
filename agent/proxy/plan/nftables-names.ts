/**
 * What our nftables tables hold, by name, and the words in which the families differ.
 *
 * ```
 * service-ips   address . protocol . port   -> goto cluster-ip-5, external-5, external-local-2-5, reject-at-once; drop
 * node-ports    protocol . port             -> goto node-port-5, node-port-local-2-5, ...
 * endpoints-tcp address . port . slot       -> endpoint's address . port; a map a protocol, see below
 * node-port-endpoints-tcp  port . slot      -> the same
 * hairpin       address . address           of this node's endpoints: they must not see themselves as their own client
 * affinity      client . endpoint's number  which client was sent where of late
 * ```
 *
 * Chains whose names end in numbers are shared by all services with so many endpoints, so that a service is nothing but elements of maps: nft
 * needs a few milliseconds for one more, however many there are. A map of endpoints has one protocol alone since nft (seen in 1.0.6)
 * adds to a rule that looks an address with a port up in a map of the kernel's the condition that the map's own declaration implies.
 */
import { createHash } from 'node:crypto';
import type { AddressFamily } from './address.ts';
import type { ServicePortModel, ServiceProtocol } from './model.ts';

export const NFT_TABLE = 'k8ts-proxy';

export const TRANSPORTS = ['tcp', 'udp', 'sctp'] as const;

export type Transport = (typeof TRANSPORTS)[number];

/** Slots of a service's endpoints on this node start here, those of all its endpoints at 0. */
export const LOCAL_SLOTS = 1 << 30;

/** By what a client reaches a service, and so which map knows it. */
export type ServiceMap = 'service-ips' | 'node-ports';

export const REJECT_CHAIN = 'reject-at-once';
export const MASQUERADE_CHAIN = 'masquerading';

/** What differs between the families. */
export interface FamilyWords {
  readonly family: 'ip' | 'ip6';
  readonly addressType: 'ipv4_addr' | 'ipv6_addr';
  readonly unreachable: string;
  readonly loopback: string;
}

const WORDS: Record<AddressFamily, FamilyWords> = {
  IPv4: {
    family: 'ip',
    addressType: 'ipv4_addr',
    unreachable: 'icmp type port-unreachable',
    loopback: '127.0.0.0/8',
  },
  IPv6: { family: 'ip6', addressType: 'ipv6_addr', unreachable: 'icmpv6 type port-unreachable', loopback: '::1' },
};

export function familyWords(family: AddressFamily): FamilyWords {
  return WORDS[family];
}

export function transportOf(protocol: ServiceProtocol): Transport {
  return protocol === 'TCP' ? 'tcp' : protocol === 'UDP' ? 'udp' : 'sctp';
}

/** The map with the endpoints of what `map` leads to. */
export function endpointMap(map: ServiceMap, transport: Transport): string {
  return `${map === 'service-ips' ? 'endpoints' : 'node-port-endpoints'}-${transport}`;
}

/** The end of the names of a service port's own chains, which few services have: `ULMVA6XW-default/web/tcp/http`. */
export function ownChainSuffix(port: Pick<ServicePortModel, 'name' | 'protocol'>): string {
  const transport = transportOf(port.protocol);
  const [service = '', portName = ''] = port.name.split(':');
  const hash = createHash('sha256').update(`${port.name} ${transport}`).digest('hex').slice(0, 10);
  return `${hash}-${service}/${transport}/${portName}`.slice(0, 160);
}

/** The number by which the affinity set knows an endpoint of a service port; the same after every restart. */
export function affinityNumber(port: Pick<ServicePortModel, 'name' | 'protocol'>, endpoint: string): number {
  return createHash('sha256').update(`${port.name} ${port.protocol} ${endpoint}`).digest().readUInt32BE(0);
}
