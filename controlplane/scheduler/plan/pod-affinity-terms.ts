/** The affinity and anti-affinity terms of a pod, by what they do. Pure. */
import { LabelSelector } from '../../../machinery/meta/label-selector.ts';
import type { Labels } from '../../../machinery/meta/label-requirement.ts';
import type { Pod, PodAffinityTerm, WeightedPodAffinityTerm } from '../../../proto/api/core-v1.ts';
import type { EffectiveTerm } from './placed-terms.ts';
import type { Question } from './pod-index.ts';
import { compileTerm, labelWanted, termMatches, type CompiledTerm } from './topology.ts';

type Kind = 'podAffinity' | 'podAntiAffinity';

export function requiredTerms({ spec }: Pod, kind: Kind): readonly PodAffinityTerm[] {
  return spec.affinity?.[kind]?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
}

export function preferredTerms({ spec }: Pod, kind: Kind): readonly WeightedPodAffinityTerm[] {
  return spec.affinity?.[kind]?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
}

/** The pod's preferred terms with their weights; those of anti-affinity are negative. */
export function weightedTerms(pod: Pod): readonly { readonly term: PodAffinityTerm; readonly weight: number }[] {
  return [
    ...preferredTerms(pod, 'podAffinity').map(({ podAffinityTerm: term, weight }) => ({ term, weight })),
    ...preferredTerms(pod, 'podAntiAffinity').map(({ podAffinityTerm: term, weight }) => ({ term, weight: -weight })),
  ];
}

/** What the pod, once it has a node, means for others. @param hardWeight weight of a required term of affinity; 0 for none */
export function effectiveTerms(pod: Pod, hardWeight: number): readonly EffectiveTerm[] {
  const { affinity } = pod.spec;
  if (affinity?.podAffinity === undefined && affinity?.podAntiAffinity === undefined) return [];
  const weigh = (term: PodAffinityTerm, weight: number): EffectiveTerm => ({
    term,
    effect: { kind: 'weight', weight },
  });
  return [
    ...requiredTerms(pod, 'podAntiAffinity').map((term): EffectiveTerm => ({ term, effect: { kind: 'anti' } })),
    ...(hardWeight === 0 ? [] : requiredTerms(pod, 'podAffinity').map(term => weigh(term, hardWeight))),
    ...weightedTerms(pod).map(({ term, weight }) => weigh(term, weight)),
  ];
}

/** Namespaces with their labels. */
export interface NamespaceSource {
  labelsOf(name: string): Labels | undefined;
  /** Names of those whose labels match. */
  matching(selector: LabelSelector): Iterable<string>;
}

/** A waiting pod's term, with the namespaces that it means now. */
export function resolveTerm(term: PodAffinityTerm, ownerNamespace: string, source: NamespaceSource): CompiledTerm {
  const compiled = compileTerm(term, ownerNamespace);
  if (term.namespaceSelector === undefined || compiled.namespaceSelector.isEmpty) return compiled;
  const meant = [...compiled.namespaces, ...source.matching(compiled.namespaceSelector)];
  return { ...compiled, namespaces: new Set(meant), namespaceSelector: LabelSelector.nothing };
}

/** @param terms resolved, so that labels of namespaces do not matter any more; none match nothing */
export function matchesAll(terms: readonly CompiledTerm[], pod: Pod): boolean {
  if (terms.length === 0) return false;
  for (const term of terms) if (!termMatches(term, pod, undefined)) return false;
  return true;
}

/** How many pods match all the terms, by the topology of one. */
export function affinityQuestion(
  topologyKey: string,
  terms: readonly CompiledTerm[],
): { readonly key: string; ask(): Question } {
  const parts = terms.map(({ namespaces, namespaceSelector, selector }) => [
    namespaceSelector.isEmpty ? '*' : [...namespaces].sort(),
    selector.isEmpty || selector.toString(),
  ]);
  const ask = (): Question => ({
    topologyKey,
    label: terms.map(({ selector }) => labelWanted(selector)).find(label => label !== undefined),
    wantsEmpty: false,
    countsPod: pod => matchesAll(terms, pod),
  });
  return { key: JSON.stringify([topologyKey, parts]), ask };
}
