/** A cluster at one moment, as plugins see it. */
import type { NodeInfo } from './node-info.ts';

/**
 * Valid for one scheduling cycle: plugins must not keep it. What they want to keep over cycles (an index) they bring up to date by `changedSince`.
 */
export interface Snapshot {
  /** Neighbours are in different zones where there are zones; else in the order in which they came. */
  readonly nodes: readonly NodeInfo[];
  /** Nodes with a pod that has any affinity or anti-affinity to pods. */
  readonly nodesWithAffinity: ReadonlySet<NodeInfo>;
  /** Nodes with a pod that has required anti-affinity. */
  readonly nodesWithRequiredAntiAffinity: ReadonlySet<NodeInfo>;
  /** Grows with every change of a node or of the pods on it. */
  readonly generation: number;
  /** Grows when a node comes or goes, or changes its labels: an index by topology is then built anew. */
  readonly topologyGeneration: number;
  node(name: string): NodeInfo | undefined;
  /** Nodes whose own `generation` is greater, newest first: costs as much as there are. */
  changedSince(generation: number): Iterable<NodeInfo>;
  /** How many nodes have the image of that name. */
  nodesWithImage(name: string): number;
  /** How many pods on all nodes use the claim. */
  claimUsers(namespace: string, name: string): number;
}

/** A snapshot of nodes that no cache holds: for trials and tests. */
export function snapshotOf(nodes: readonly NodeInfo[]): Snapshot {
  const generation = nodes.reduce((newest, node) => Math.max(newest, node.generation), 0);
  return {
    nodes,
    nodesWithAffinity: new Set(nodes.filter(node => node.podsWithAffinity.size > 0)),
    nodesWithRequiredAntiAffinity: new Set(nodes.filter(node => node.podsWithRequiredAntiAffinity.size > 0)),
    generation,
    topologyGeneration: generation,
    node: name => nodes.find(node => node.name === name),
    changedSince: since => nodes.filter(node => node.generation > since).sort((a, b) => b.generation - a.generation),
    nodesWithImage: name => nodes.filter(node => node.imageSizes.has(name)).length,
    claimUsers: (namespace, name) =>
      nodes.reduce((sum, node) => sum + (node.claimUsers.get(`${namespace}/${name}`) ?? 0), 0),
  };
}
