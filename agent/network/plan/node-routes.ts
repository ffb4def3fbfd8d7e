/**
 * Routes to the pods of other nodes: each node's pod range by way of its address. Right where all nodes share one network segment.
 */
import type { Node } from '../../../proto/api/core-v1.ts';

/** Marks our routes in the kernel's table; no routing daemon uses it (see /etc/iproute2/rt_protos). */
export const ROUTE_PROTOCOL = 84;

/** A route; `via` is absent for one that leads to a link. */
export interface PodRoute {
  readonly destination: string;
  readonly via: string | undefined;
}

/** What of a Node object matters to its peers. Equal text, equal routes. */
export function nodeFingerprint(node: Node): string {
  return [node.metadata.name, internalIPs(node).join(), podCIDRsOf(node).join()].join(' ');
}

/** The node's pod ranges, one a family. */
export function podCIDRsOf(node: Node): readonly string[] {
  const { podCIDRs, podCIDR } = node.spec ?? {};
  return podCIDRs ?? (podCIDR === undefined || podCIDR === '' ? [] : [podCIDR]);
}

/** Addresses of type InternalIP. */
export function internalIPs(node: Node): string[] {
  return (node.status?.addresses ?? []).filter(a => a.type === 'InternalIP').map(a => a.address);
}

/** Routes to all nodes but `self`; of two nodes that claim one range the older keeps it. */
export function computeNodeRoutes(nodes: readonly Node[], self: string): PodRoute[] {
  const routes = new Map<string, PodRoute>();
  const own = new Set(nodes.filter(node => node.metadata.name === self).flatMap(podCIDRsOf));
  const byAge = [...nodes].sort((a, b) => ageKey(a).localeCompare(ageKey(b)));
  for (const node of byAge) {
    if (node.metadata.name === self) continue;
    for (const destination of podCIDRsOf(node)) {
      const via = internalIPs(node).find(ip => ip.includes(':') === destination.includes(':'));
      if (via !== undefined && !own.has(destination) && !routes.has(destination))
        routes.set(destination, { destination, via });
    }
  }
  return [...routes.values()];
}

/** What to replace (new or different) and what to delete. */
export function diffRoutes(
  wanted: readonly PodRoute[],
  found: readonly PodRoute[],
): { replace: PodRoute[]; remove: PodRoute[] } {
  const there = new Map(found.map(route => [route.destination, route.via]));
  const keep = new Set(wanted.map(route => route.destination));
  return {
    replace: wanted.filter(route => there.get(route.destination) !== route.via),
    remove: found.filter(route => !keep.has(route.destination)),
  };
}

function ageKey(node: Node): string {
  return `${node.metadata.creationTimestamp ?? ''} ${node.metadata.name ?? ''}`;
}
