/**
 * The order in which nodes are looked at: one of each zone after another, so that a sample of them is spread over all zones.
 * Source: upstream `pkg/scheduler/backend/cache/node_tree.go`.
 */
import type { Node } from '../../../proto/api/core-v1.ts';

/** Of the zone and its region; the empty string for nodes without either. */
export function zoneOf({ metadata: { labels } }: Node): string {
  const zone = labels?.['topology.kubernetes.io/zone'] ?? labels?.['failure-domain.beta.kubernetes.io/zone'] ?? '';
  const region =
    labels?.['topology.kubernetes.io/region'] ?? labels?.['failure-domain.beta.kubernetes.io/region'] ?? '';
  return zone === '' && region === '' ? '' : `${region}:${zone}`;
}

/** @returns the first of each zone, then the second of each, and so on; zones and nodes in the order in which they come */
export function interleaveByZone<N extends { readonly node: Node }>(nodes: Iterable<N>): N[] {
  const zones = new Map<string, N[]>();
  for (const node of nodes) {
    const zone = zoneOf(node.node);
    const there = zones.get(zone);
    if (there === undefined) zones.set(zone, [node]);
    else there.push(node);
  }
  let left = [...zones.values()];
  if (left.length === 1) return left[0] ?? [];
  const ordered: N[] = [];
  for (let i = 0; left.length > 0; i++) {
    left = left.filter(zone => i < zone.length);
    for (const zone of left) ordered.push(zone[i] as N);
  }
  return ordered;
}
