/**
 * Which pods a term of pod (anti-)affinity means, and where a node stands in a topology. Pure.
 * Source: kubernetes.io/docs, "Assigning Pods to Nodes". `matchLabelKeys` and `mismatchLabelKeys` of a term are in its selector already: the API
 * server writes them there.
 */
import { compileLabelSelector, type LabelSelector } from '../../../machinery/meta/label-selector.ts';
import type { Labels } from '../../../machinery/meta/label-requirement.ts';
import type { Node, Pod, PodAffinityTerm } from '../../../proto/api/core-v1.ts';

/** The node's value of a topology label. */
export function topologyValue(node: Node, key: string): string | undefined {
  const value = node.metadata.labels?.[key];
  // What every object has (`constructor`) is no label.
  return typeof value === 'string' ? value : undefined;
}

/** A term ready to be matched against many pods. */
export interface CompiledTerm {
  readonly topologyKey: string;
  readonly selector: LabelSelector;
  /** Namespaces that the term names; its owner's if it says nothing of namespaces. */
  readonly namespaces: ReadonlySet<string>;
  /** Namespaces that it means by their labels. */
  readonly namespaceSelector: LabelSelector;
}

export function compileTerm(term: PodAffinityTerm, ownerNamespace: string): CompiledTerm {
  const { topologyKey, namespaces = [], namespaceSelector } = term;
  const isOwn = namespaces.length === 0 && namespaceSelector === undefined;
  return {
    topologyKey,
    selector: compileLabelSelector(term.labelSelector),
    namespaces: new Set(isOwn ? [ownerNamespace] : namespaces),
    namespaceSelector: compileLabelSelector(namespaceSelector),
  };
}

/**
 * As `compileTerm`, for a pod that has its node: a term that cannot be read matches nobody. Nobody can put it right any more, and pods that wait
 * must not suffer for it.
 */
export function compilePlacedTerm(term: PodAffinityTerm, ownerNamespace: string): CompiledTerm {
  try {
    return compileTerm(term, ownerNamespace);
  } catch {
    return compileTerm({ topologyKey: term.topologyKey }, ownerNamespace);
  }
}

/** @param namespaceLabels of the pod's namespace */
export function termMatches(term: CompiledTerm, { metadata }: Pod, namespaceLabels: Labels | undefined): boolean {
  const { namespaces, namespaceSelector, selector } = term;
  return (
    (namespaces.has(metadata.namespace ?? '') || namespaceSelector.matches(namespaceLabels)) &&
    selector.matches(metadata.labels)
  );
}

/** A label with its value. */
export interface LabelPair {
  readonly key: string;
  readonly value: string;
}

/** A label that every pod has which the selector matches; undefined when it asks for none in particular. */
export function labelWanted(selector: LabelSelector): LabelPair | undefined {
  for (const { key, operator, values } of selector.requirements) {
    const isOne = operator === '=' || operator === '==' || (operator === 'in' && values.length === 1);
    if (isOne) return { key, value: values[0] ?? '' };
  }
  return undefined;
}
