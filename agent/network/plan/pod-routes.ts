/**
 * The ways to the pods of other nodes. A node on the same segment is reached by a route over its address; one behind a router, whose
 * router knows nothing of pods, through a VXLAN tunnel.
 *
 * The tunnels of an underlay family share one device. Nothing is learned there: of each peer the device is told the hardware address
 * (`tunnelMacOf`), the neighbour behind it, which is the peer's own address in its pod range, and the node's address that takes the packets.
 */
import { isWithin, ipNumber, ipText, parseNetwork } from '../../../machinery/meta/ip-number.ts';
import type { IpNetwork } from '../../../machinery/meta/ip-number.ts';
import { tunnelMacOf } from './mac-address.ts';
import type { Peer } from './peers.ts';

/** Marks our routes in the kernel's table; no routing daemon uses it (see /etc/iproute2/rt_protos). */
export const ROUTE_PROTOCOL = 84;

/** Which way packets to other nodes' pods go; `auto` decides by peer. */
export type Encapsulation = 'auto' | 'routes' | 'vxlan';

/** A route to the pods of one node. */
export interface PodRoute {
  readonly destination: string;
  readonly via: string;
  /** The tunnels' device; undefined: the link that `via` is on. */
  readonly tunnel: string | undefined;
  /** Of packets that this node sends itself; for tunnels alone. */
  readonly source: string | undefined;
}

/** A VXLAN device and what it knows of its peers. */
export interface Tunnel {
  readonly device: string;
  /** This node's end, an address of the underlay. */
  readonly local: string;
  readonly peers: readonly TunnelPeer[];
}

export interface TunnelPeer {
  readonly mac: string;
  /** The node's address in the underlay. */
  readonly remote: string;
  /** Its own addresses in its pod ranges. */
  readonly neighbours: readonly string[];
}

/** A route that the kernel has, as far as it tells what is on link. */
export interface KnownRoute {
  /** `default`, an address or a range. */
  readonly dst: string;
  readonly gateway?: string;
  readonly via?: unknown;
  readonly dev?: string;
  readonly type?: string;
  readonly protocol?: string;
}

export interface PodRoutes {
  readonly routes: readonly PodRoute[];
  readonly tunnels: readonly Tunnel[];
  /** Ranges that no way leads to, a sentence each. */
  readonly unreachable: readonly string[];
}

/** By family of the underlay. */
const TUNNEL_DEVICES = { IPv4: 'k8ts-vxlan', IPv6: 'k8ts-vxlan6' } as const;

export const ALL_TUNNEL_DEVICES: readonly string[] = Object.values(TUNNEL_DEVICES);

/** The node's own address in a range: the first that can be given away, as host-local has it too. */
export function gatewayOf(range: string): string {
  const { base, family } = parseNetwork(range);
  return ipText(base + 1n, family);
}

/** @param known routes of the main table, of both families */
export function planPodRoutes(
  self: Peer,
  others: readonly Peer[],
  encapsulation: Encapsulation,
  known: readonly KnownRoute[],
): PodRoutes {
  const isOnLink = onLinkTest(known);
  const sources = new Map(self.ranges.map(range => [familyOf(range), gatewayOf(range)]));
  const routes: PodRoute[] = [];
  const unreachable: string[] = [];
  const tunnels = new Map<string, { device: string; local: string; peers: TunnelPeer[] }>();
  for (const peer of others) {
    const tunnel = encapsulation === 'routes' ? undefined : underlayTo(self, peer);
    const tunnelled: string[] = [];
    for (const destination of peer.ranges) {
      const family = familyOf(destination);
      const via = peer.addresses.find(address => familyOf(address) === family);
      const isDirect = encapsulation === 'routes' || (encapsulation === 'auto' && via !== undefined && isOnLink(via));
      if (isDirect && via !== undefined) {
        routes.push({ destination, via, tunnel: undefined, source: undefined });
      } else if (tunnel !== undefined) {
        const gateway = gatewayOf(destination);
        tunnelled.push(gateway);
        routes.push({ destination, via: gateway, tunnel: tunnel.device, source: sources.get(family) });
      } else {
        unreachable.push(`node ${peer.name} has no InternalIP by which its pods at ${destination} could be reached`);
      }
    }
    if (tunnel === undefined || tunnelled.length === 0) continue;
    const { device, local, remote } = tunnel;
    const known = tunnels.get(device) ?? { device, local, peers: [] };
    known.peers.push({ mac: tunnelMacOf(peer.name), remote, neighbours: tunnelled });
    tunnels.set(device, known);
  }
  return { routes, tunnels: [...tunnels.values()], unreachable };
}

/** The family that both have; IPv4, whose headers are shorter, if they have both. */
function underlayTo(self: Peer, peer: Peer): { device: string; local: string; remote: string } | undefined {
  for (const family of ['IPv4', 'IPv6'] as const) {
    const [local, remote] = [self, peer].map(({ addresses }) => addresses.find(one => familyOf(one) === family));
    if (local !== undefined && remote !== undefined) return { device: TUNNEL_DEVICES[family], local, remote };
  }
  return undefined;
}

/** Whether an address is a neighbour's: the longest prefix that the kernel knows for it leads to a link and not to a router. */
function onLinkTest(known: readonly KnownRoute[]): (address: string) => boolean {
  const table: { network: IpNetwork; isLink: boolean }[] = [];
  for (const { dst, gateway, via, dev, type, protocol } of known) {
    if (dst === 'default' || protocol === String(ROUTE_PROTOCOL)) continue;
    const isLink = gateway === undefined && via === undefined && dev !== undefined && (type ?? 'unicast') === 'unicast';
    table.push({ network: parseNetwork(withLength(dst)), isLink });
  }
  table.sort((a, b) => b.network.prefix - a.network.prefix);
  return address => table.find(({ network }) => isWithin(address, network))?.isLink === true;
}

/** A destination as `ip` prints it, always with its length: `ip` leaves that of a host route out. */
export function withLength(destination: string): string {
  if (destination.includes('/')) return destination;
  return `${destination}/${destination.includes(':') ? 128 : 32}`;
}

/** The same address in any spelling gives the same text. */
export function plainAddress(address: string): string {
  return ipText(ipNumber(address), familyOf(address));
}

function familyOf(text: string): 'IPv4' | 'IPv6' {
  return text.includes(':') ? 'IPv6' : 'IPv4';
}
