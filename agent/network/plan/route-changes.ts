/** What has to be said to `ip` and `bridge` so that routes, neighbours and forwarding entries are as planned; nothing if they are. */
import type { ForwardingEntry, Neighbour, Route } from '../../host/plan/link-facts.ts';
import { ALL_TUNNEL_DEVICES, ROUTE_PROTOCOL, withLength, type PodRoute, type Tunnel } from './pod-routes.ts';

/** Commands without the word `ip`; those of one array do not depend on each other. */
export interface RouteChanges {
  readonly remove: readonly string[];
  readonly replace: readonly string[];
}

/** Our routes among those of the kernel: they bear our number and lead to a node, not to a link of ours. */
export function podRoutesAmong(routes: readonly Route[]): Route[] {
  return routes.filter(({ protocol, gateway }) => protocol === String(ROUTE_PROTOCOL) && gateway !== undefined);
}

export function routeChanges(wanted: readonly PodRoute[], found: readonly Route[]): RouteChanges {
  const there = new Map(podRoutesAmong(found).map(route => [withLength(route.dst), route]));
  const keep = new Set(wanted.map(({ destination }) => destination));
  return {
    remove: [...there.keys()].filter(destination => !keep.has(destination)).map(deleteRoute),
    replace: wanted.filter(route => !isSame(route, there.get(route.destination))).map(replaceRoute),
  };
}

export function deleteRoute(destination: string): string {
  return `route del ${destination} proto ${ROUTE_PROTOCOL}`;
}

function replaceRoute({ destination, via, tunnel, source }: PodRoute): string {
  const way = tunnel === undefined ? '' : ` dev ${tunnel} onlink`;
  const from = source === undefined ? '' : ` src ${source}`;
  return `route replace ${destination} via ${via}${way}${from} proto ${ROUTE_PROTOCOL}`;
}

function isSame(wanted: PodRoute, found: Route | undefined): boolean {
  if (found === undefined || found.gateway !== wanted.via) return false;
  const device = ALL_TUNNEL_DEVICES.find(name => name === found.dev);
  return device === wanted.tunnel && (wanted.tunnel === undefined || found.prefsrc === wanted.source);
}

/** Of one tunnel's device. @param found all that it has */
export function neighbourChanges(tunnel: Tunnel, found: readonly Neighbour[]): RouteChanges {
  const { device } = tunnel;
  const wanted = new Map(tunnel.peers.flatMap(({ mac, neighbours }) => neighbours.map(one => [one, mac] as const)));
  const there = new Map(found.filter(one => one.state?.includes('PERMANENT')).map(one => [one.dst, one.lladdr]));
  return {
    remove: [...there.keys()].filter(one => !wanted.has(one)).map(one => `neigh del ${one} dev ${device}`),
    replace: [...wanted]
      .filter(([one, mac]) => there.get(one) !== mac)
      .map(([one, mac]) => `neigh replace ${one} lladdr ${mac} dev ${device} nud permanent`),
  };
}

/** For `bridge`, of one tunnel's device. */
export function forwardingChanges(tunnel: Tunnel, found: readonly ForwardingEntry[]): RouteChanges {
  const { device } = tunnel;
  const wanted = new Map(tunnel.peers.map(({ mac, remote }) => [mac, remote]));
  const there = new Map(found.flatMap(({ mac, dst }) => (dst === undefined ? [] : [[mac, dst]])));
  return {
    remove: [...there].flatMap(([mac, dst]) =>
      wanted.has(mac) ? [] : [`fdb del ${mac} dev ${device} dst ${dst} self`],
    ),
    replace: [...wanted]
      .filter(([mac, remote]) => there.get(mac) !== remote)
      .map(([mac, remote]) => `fdb replace ${mac} dev ${device} dst ${remote} self permanent`),
  };
}
