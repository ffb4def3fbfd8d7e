/** Which nodes a pod may run on by their labels and names (nodeSelector and required node affinity, made ready for many nodes) and taints. Pure. */
import { matchesNodeSelector } from '../../../machinery/meta/node-selector.ts';
import { untoleratedTaint } from '../../../machinery/meta/tolerations.ts';
import type { Node, NodeSelector, Pod } from '../../../proto/api/core-v1.ts';
import { topologyValue } from './topology.ts';

const KEEPING_AWAY = ['NoSchedule', 'NoExecute'];

export type NodeTest = (node: Node) => boolean;

/** Undefined: the pod asks for nothing, every node will do. */
export function nodeTestOf({ spec }: Pick<Pod, 'spec'>): NodeTest | undefined {
  const labels = Object.entries(spec.nodeSelector ?? {});
  const required = requiredOf(spec);
  if (labels.length === 0 && required === undefined) return undefined;
  return node => {
    for (const [key, value] of labels) if (topologyValue(node, key) !== value) return false;
    return required === undefined || matchesNodeSelector(required, node);
  };
}

/** Names what `nodeTestOf` tests: pods with equal keys may run on the same nodes. */
export function nodeTestKey({ spec }: Pick<Pod, 'spec'>): string {
  const required = requiredOf(spec);
  if (spec.nodeSelector === undefined && required === undefined) return '';
  return JSON.stringify([spec.nodeSelector, required]);
}

/** Nodes that the pod asks for by name, the only ones it may run on; undefined when it does not. */
export function nodeNamesOf({ spec }: Pick<Pod, 'spec'>): ReadonlySet<string> | undefined {
  const terms = requiredOf(spec)?.nodeSelectorTerms ?? [];
  if (terms.length === 0) return undefined;
  const names = new Set<string>();
  for (const { matchFields = [] } of terms) {
    const wanted = matchFields.filter(({ key, operator }) => key === 'metadata.name' && operator === 'In');
    const [first, ...others] = wanted.map(({ values = [] }) => values);
    // This term is content with other nodes too.
    if (first === undefined) return undefined;
    for (const name of first) if (others.every(values => values.includes(name))) names.add(name);
  }
  return names;
}

export function requiredOf(spec: Pod['spec']): NodeSelector | undefined {
  return spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
}

/** Whether a taint of the node keeps the pod away. */
export function isKeptAway({ spec: { tolerations = [] } }: Pick<Pod, 'spec'>, { spec: { taints } }: Node): boolean {
  if (taints === undefined || taints.length === 0) return false;
  return untoleratedTaint(taints, tolerations, KEEPING_AWAY) !== undefined;
}
