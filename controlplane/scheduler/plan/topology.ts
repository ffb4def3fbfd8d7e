/**
 * Which pods a term of pod (anti-)affinity or a spread constraint means. Pure.
 * Source: kubernetes.io/docs, "Assigning Pods to Nodes" and "Pod Topology Spread Constraints".
 */
import { compileLabelSelector, type LabelSelector } from '../../../machinery/meta/label-selector.ts';
import type { Pod, PodAffinityTerm, TopologySpreadConstraint } from '../../../proto/api/core-v1.ts';

/** A term ready to be matched against many pods. */
export interface CompiledTerm {
  topologyKey: string;
  matches(other: Pod): boolean;
}

/** The selector with `matchLabelKeys` and `mismatchLabelKeys` of the incoming pod worked in. */
function withKeys(
  term: Pick<PodAffinityTerm, 'labelSelector' | 'matchLabelKeys' | 'mismatchLabelKeys'>,
  owner: Pod,
): LabelSelector {
  const extra: { key: string; operator: string; values: string[] }[] = [];
  const labels = owner.metadata.labels ?? {};
  for (const key of term.matchLabelKeys ?? [])
    if (labels[key] !== undefined) extra.push({ key, operator: 'In', values: [labels[key]] });
  for (const key of term.mismatchLabelKeys ?? [])
    if (labels[key] !== undefined) extra.push({ key, operator: 'NotIn', values: [labels[key]] });
  if (extra.length === 0 || term.labelSelector === undefined) return compileLabelSelector(term.labelSelector);
  return compileLabelSelector({
    ...term.labelSelector,
    matchExpressions: [...(term.labelSelector.matchExpressions ?? []), ...extra],
  });
}

/**
 * @param namespaceLabels labels of a namespace, for terms with a namespaceSelector
 */
export function compileTerm(
  term: PodAffinityTerm,
  owner: Pod,
  namespaceLabels: (namespace: string) => Readonly<Record<string, string>> | undefined,
): CompiledTerm {
  const selector = withKeys(term, owner);
  const named = new Set(term.namespaces ?? []);
  const byLabels = term.namespaceSelector === undefined ? undefined : compileLabelSelector(term.namespaceSelector);
  if (named.size === 0 && byLabels === undefined) named.add(owner.metadata.namespace ?? '');
  return {
    topologyKey: term.topologyKey,
    matches(other) {
      const namespace = other.metadata.namespace ?? '';
      const inNamespace = named.has(namespace) || byLabels?.matches(namespaceLabels(namespace) ?? {}) === true;
      return inNamespace && selector.matches(other.metadata.labels);
    },
  };
}

/** The pods that a spread constraint counts: same namespace, selector, not being deleted. */
export function compileConstraint(constraint: TopologySpreadConstraint, owner: Pod): CompiledTerm {
  const selector = withKeys(constraint, owner);
  return {
    topologyKey: constraint.topologyKey,
    matches: other =>
      other.metadata.namespace === owner.metadata.namespace &&
      other.metadata.deletionTimestamp === undefined &&
      selector.matches(other.metadata.labels),
  };
}
