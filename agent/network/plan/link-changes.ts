/**
 * What `ip` has to be told so that the bridge and the tunnels' devices are as they should be; nothing if they are.
 *
 * Addresses of IPv6 are added without duplicate detection (`nodad`), the link-local one as well, which the kernel would else make itself:
 * nobody answers for a tentative one, and nobody asks for a neighbour by it, so that the first pods of a node would be without their gateway
 * for a second or two.
 */
import type { AddressedLink, Route } from '../../host/plan/link-facts.ts';
import { gatewayOf, plainAddress, withLength, type Tunnel } from './pod-routes.ts';
import { macAddressOf, tunnelMacOf } from './mac-address.ts';

export interface BridgeSpec {
  readonly name: string;
  readonly nodeName: string;
  /** The node's pod ranges; of each it holds the gateway's address. */
  readonly ranges: readonly string[];
  readonly mtu: number;
}

export interface TunnelSettings {
  /** The network's number in each packet. */
  readonly vxlanId: number;
  readonly vxlanPort: number;
}

export interface TunnelDevice extends TunnelSettings {
  readonly name: string;
  readonly nodeName: string;
  readonly ranges: readonly string[];
  readonly local: string;
  readonly mtu: number;
}

/** Of the bridge; pods' own follow from their hardware addresses, which never give this one. */
const LINK_LOCAL = 'fe80::1/64';

/** Bytes that VXLAN puts around a packet: Ethernet 14, VXLAN 8, UDP 8 and the underlay's IP header. */
export function tunnelOverhead(local: string): number {
  return 14 + 8 + 8 + (local.includes(':') ? 40 : 20);
}

/** Of what pods send: as their link can carry it, less what a tunnel needs if there is one. */
export function podMtu(linkMtu: number, tunnels: readonly Pick<Tunnel, 'local'>[]): number {
  return linkMtu - Math.max(0, ...tunnels.map(({ local }) => tunnelOverhead(local)));
}

/** The MTU of the link that carries one of the node's addresses, else of the default route's, else Ethernet's. */
export function linkMtu(
  links: readonly AddressedLink[],
  nodeAddresses: readonly string[],
  defaultDevice: string | undefined,
): number {
  const carrier = links.find(
    link => link.ifname !== 'lo' && link.addr_info.some(({ local }) => nodeAddresses.includes(local)),
  );
  return (carrier ?? links.find(link => link.ifname === defaultDevice))?.mtu ?? 1500;
}

/**
 * @param routes of the main table, of both families
 * @throws Error if a link of that name is no bridge
 */
export function bridgeChanges(spec: BridgeSpec, links: readonly AddressedLink[], routes: readonly Route[]): string[] {
  const { name, mtu, ranges } = spec;
  const found = links.find(link => link.ifname === name);
  if (found !== undefined && found.linkinfo?.info_kind !== 'bridge')
    throw new Error(
      `The link ${name} is no bridge; take it away (ip link del ${name}) or name another by --pod-bridge`,
    );
  const mac = macAddressOf('k8ts bridge', spec.nodeName, name);
  const gateways = ranges.map(range => `${gatewayOf(range)}/${range.split('/')[1]}`);
  return [
    ...(found === undefined
      ? [`link add name ${name} address ${mac} mtu ${mtu} type bridge`, ...withoutOwnLinkLocal(name, ranges)]
      : []),
    ...(found !== undefined && found.mtu !== mtu ? [`link set dev ${name} mtu ${mtu}`] : []),
    ...upChange(name, found),
    ...addressChanges(name, [...gateways, ...(hasIPv6(ranges) ? [LINK_LOCAL] : [])], found),
    ...rangeRoutes(spec, found, routes),
  ];
}

/** The kernel makes the route of a range with the gateway's address, and not again when somebody took it away. */
function rangeRoutes(
  { name, ranges }: BridgeSpec,
  found: AddressedLink | undefined,
  routes: readonly Route[],
): string[] {
  if (found?.flags.includes('UP') !== true) return [];
  const held = found.addr_info.map(({ local }) => local);
  return ranges
    .filter(range => held.includes(gatewayOf(range)))
    .filter(range => !routes.some(({ dst, dev }) => dev === name && withLength(dst) === range))
    .map(range =>
      range.includes(':')
        ? `route replace ${range} dev ${name} proto kernel metric 256`
        : `route replace ${range} dev ${name} proto kernel scope link src ${gatewayOf(range)}`,
    );
}

/** A device that differs is made anew: it holds nothing that is not written again. */
export function tunnelChanges(device: TunnelDevice, links: readonly AddressedLink[]): string[] {
  const { name, local, vxlanId, vxlanPort, mtu } = device;
  const mac = tunnelMacOf(device.nodeName);
  const standing = links.find(link => link.ifname === name);
  const data = standing?.linkinfo?.info_data;
  const isRight =
    standing?.address === mac &&
    standing.linkinfo?.info_kind === 'vxlan' &&
    data?.id === vxlanId &&
    data.port === vxlanPort &&
    [data.local, data.local6].some(one => one !== undefined && plainAddress(one) === plainAddress(local));
  const found = isRight ? standing : undefined;
  return [
    ...(standing !== undefined && !isRight ? [`link del dev ${name}`] : []),
    ...(found === undefined
      ? [
          `link add name ${name} address ${mac} mtu ${mtu} type vxlan id ${vxlanId} local ${local} dstport ${vxlanPort} nolearning`,
          ...withoutOwnLinkLocal(name, device.ranges),
        ]
      : []),
    ...(found !== undefined && found.mtu !== mtu ? [`link set dev ${name} mtu ${mtu}`] : []),
    ...upChange(name, found),
    // Its own address is what packets get that are masqueraded into the tunnel.
    ...addressChanges(
      name,
      device.ranges.map(range => hostRange(gatewayOf(range))),
      found,
    ),
  ];
}

function hasIPv6(ranges: readonly string[]): boolean {
  return ranges.some(range => range.includes(':'));
}

function withoutOwnLinkLocal(name: string, ranges: readonly string[]): string[] {
  return hasIPv6(ranges) ? [`link set dev ${name} addrgenmode none`] : [];
}

function hostRange(address: string): string {
  return `${address}/${address.includes(':') ? 128 : 32}`;
}

function upChange(name: string, found: AddressedLink | undefined): string[] {
  return found?.flags.includes('UP') === true ? [] : [`link set dev ${name} up`];
}

function addressChanges(name: string, wanted: readonly string[], found: AddressedLink | undefined): string[] {
  const held = (found?.addr_info ?? []).map(({ local, prefixlen }) => `${local}/${prefixlen}`);
  return [
    // A link-local one of the kernel's own may stay.
    ...held.filter(one => !wanted.includes(one) && !one.startsWith('fe80:')).map(one => `addr del ${one} dev ${name}`),
    ...wanted
      .filter(one => !held.includes(one))
      .map(one => `addr add ${one} dev ${name}${one.includes(':') ? ' nodad' : ''}`),
  ];
}
