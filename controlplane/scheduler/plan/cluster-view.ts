/** What indexes see of the scheduler's snapshot. */
import type { Node, Pod } from '../../../proto/api/core-v1.ts';

/** A node with the pods on it, by UID. */
export interface NodeView {
  readonly name: string;
  readonly node: Node;
  /** Grows with every change; no two views ever have the same. */
  readonly generation: number;
  readonly pods: ReadonlyMap<string, Pod>;
  readonly podsWithAffinity: ReadonlyMap<string, Pod>;
}

export interface ClusterView {
  readonly nodes: readonly NodeView[];
  readonly nodesWithAffinity: { readonly size: number };
  readonly generation: number;
  /** Grows when a node comes or goes, or changes its labels. */
  readonly topologyGeneration: number;
  node(name: string): NodeView | undefined;
  /** Nodes whose own `generation` is greater. */
  changedSince(generation: number): Iterable<NodeView>;
}
