/**
 * Brings together on which NUMA nodes processors, memory and devices of a pod or container can lie.
 * Source: kubernetes.io/docs, "Control Topology Management Policies on a node"; KEP-693; `pkg/kubelet/cm/topologymanager` 1.36.
 */
import type { NumaNode } from '../../../../machinery/meta/machine-topology.ts';
import { combinations, countOf, isNarrower, maskOf, nodesOf, type NumaMask } from './numa-mask.ts';

export type TopologyPolicyName = 'none' | 'best-effort' | 'restricted' | 'single-numa-node';
export type TopologyScope = 'container' | 'pod';

/** One way in which a resource can be given. */
export interface TopologyHint {
  /** Undefined: any node will do. */
  readonly nodes: NumaMask | undefined;
  /** As good as it gets on this machine for that amount. */
  readonly preferred: boolean;
}

/**
 * What one manager says of what it gives, by resource name. Undefined for a resource that may come from anywhere; an empty list for
 * one that cannot be had.
 */
export type TopologyHints = ReadonlyMap<string, readonly TopologyHint[] | undefined>;

export interface TopologyPolicy {
  readonly name: TopologyPolicyName;
  readonly scope: TopologyScope;
  /** `prefer-closest-numa-nodes`: of several combinations of as many nodes, the one whose nodes are nearest to each other. */
  readonly preferClosest: boolean;
}

export interface TopologyDecision {
  readonly admit: boolean;
  /** Where to take from; undefined: anywhere. */
  readonly nodes: NumaMask | undefined;
}

/** Decides where everything is to come from. `none` takes from anywhere. */
export function mergeHints(
  policy: Pick<TopologyPolicy, 'name' | 'preferClosest'>,
  machine: readonly NumaNode[],
  said: readonly TopologyHints[],
): TopologyDecision {
  if (policy.name === 'none') return { admit: true, nodes: undefined };
  const all = maskOf(machine.map(node => node.id));
  let lists = said.flatMap(listsOf);
  if (policy.name === 'single-numa-node') {
    lists = lists.map(list =>
      list.filter(hint => hint.preferred && (hint.nodes === undefined || countOf(hint.nodes) === 1)),
    );
  }
  const best = bestMerge(lists, all, policy.preferClosest ? machine : undefined);
  const admit = policy.name === 'best-effort' || best.preferred;
  // One that needs no single node is bound to none.
  const anywhere = policy.name === 'single-numa-node' && best.nodes === all;
  return { admit, nodes: anywhere ? undefined : best.nodes };
}

function listsOf(hints: TopologyHints): (readonly TopologyHint[])[] {
  if (hints.size === 0) return [[{ nodes: undefined, preferred: true }]];
  return [...hints.values()].map(list => {
    if (list === undefined) return [{ nodes: undefined, preferred: true }];
    return list.length === 0 ? [{ nodes: undefined, preferred: false }] : list;
  });
}

interface Merged {
  readonly nodes: NumaMask;
  readonly preferred: boolean;
}

/** The best common ground of one hint from every list; all nodes, not preferred, where there is none. */
function bestMerge(
  lists: readonly (readonly TopologyHint[])[],
  all: NumaMask,
  near: readonly NumaNode[] | undefined,
): Merged {
  // Fewer nodes than the neediest resource takes at least serve nobody.
  const needs = lists.map(list => list.flatMap(({ nodes }) => (nodes === undefined ? [] : countOf(nodes))));
  const widestNeed = Math.max(0, ...needs.filter(counts => counts.length > 0).map(counts => Math.min(...counts)));
  let best: Merged = { nodes: all, preferred: false };
  let found = false;
  for (const merged of permutations(lists, all)) {
    if (merged.nodes === 0) continue;
    if (!found || isBetter(merged, best, widestNeed, near)) best = merged;
    found = true;
  }
  return best;
}

/** The common ground of each choice of one hint from every list; the same one may come several times. */
function permutations(lists: readonly (readonly TopologyHint[])[], all: NumaMask): Iterable<Merged> {
  // Different choices often come to the same: they are joined list by list, so that their number stays bounded by the machine.
  interface Partial extends Merged {
    readonly first: NumaMask | undefined;
    readonly even: boolean;
  }
  let partials: Partial[] = [{ nodes: all, preferred: true, first: undefined, even: true }];
  for (const list of lists) {
    const next = new Map<string, Partial>();
    for (const before of partials) {
      for (const hint of list) {
        const own = hint.nodes ?? all;
        const partial = {
          nodes: before.nodes & own,
          preferred: before.preferred && hint.preferred,
          first: hint.nodes === undefined ? before.first : (before.first ?? own),
          // Resources that are each well placed, but not on the same nodes, are not well placed together.
          even: before.even && (hint.nodes === undefined || before.first === undefined || before.first === own),
        };
        next.set(`${partial.nodes} ${partial.preferred} ${partial.first} ${partial.even}`, partial);
      }
    }
    partials = [...next.values()];
  }
  return partials.map(({ nodes, preferred, even }) => ({ nodes, preferred: preferred && even }));
}

function isBetter(next: Merged, best: Merged, widestNeed: number, near: readonly NumaNode[] | undefined): boolean {
  if (next.preferred !== best.preferred) return next.preferred;
  const nextCount = countOf(next.nodes);
  const bestCount = countOf(best.nodes);
  const narrower = (): boolean => {
    if (near === undefined || nextCount !== bestCount) return isNarrower(next.nodes, best.nodes);
    const difference = meanDistance(next.nodes, near) - meanDistance(best.nodes, near);
    return difference === 0 ? isNarrower(next.nodes, best.nodes) : difference < 0;
  };
  if (next.preferred) return narrower();
  // Not preferred: as near as can be to what the neediest resource takes at least, from above if there is such.
  if (bestCount > widestNeed) return narrower();
  if (bestCount === widestNeed) return nextCount === widestNeed && narrower();
  if (nextCount !== bestCount) return nextCount > bestCount && nextCount <= widestNeed;
  return narrower();
}

function meanDistance(mask: NumaMask, machine: readonly NumaNode[]): number {
  const nodes = nodesOf(mask);
  let sum = 0;
  for (const from of nodes) {
    for (const to of nodes) {
      const index = machine.findIndex(node => node.id === to);
      sum += machine.find(node => node.id === from)?.distances[index] ?? (from === to ? 10 : 20);
    }
  }
  return sum / (nodes.length * nodes.length);
}

/**
 * Hints for an amount of a resource that lies on nodes: every combination of nodes that has enough of it, those preferred that have as
 * few nodes as the whole machine would allow for it.
 * @param total what a combination has when nothing is taken; `free` what is left of it, undefined if it will not do
 */
export function hintsFor(
  machine: readonly NumaNode[],
  amount: number,
  total: (mask: NumaMask) => number,
  free: (mask: NumaMask) => number | undefined,
): TopologyHint[] {
  const masks = combinations(machine.map(node => node.id));
  const fewest = Math.min(machine.length, ...masks.filter(mask => total(mask) >= amount).map(countOf));
  return masks
    .filter(mask => (free(mask) ?? -1) >= amount)
    .map(nodes => ({ nodes, preferred: countOf(nodes) === fewest }));
}
