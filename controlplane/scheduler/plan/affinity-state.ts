/** Where a pod may go by its own (anti-)affinity and by that of placed pods, in one scheduling cycle and in trials that add or take away pods. */
import type { Labels } from '../../../machinery/meta/label-requirement.ts';
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import type { PlacedTerm } from './placed-terms.ts';
import { matchesAll, requiredTerms } from './pod-affinity-terms.ts';
import { TrialCounts, type TopologyCounts, type ValueCounts } from './topology-counts.ts';
import { compilePlacedTerm, termMatches, topologyValue, type CompiledTerm } from './topology.ts';

/** A term of the waiting pod with the pods that match. */
interface Part {
  readonly term: CompiledTerm;
  readonly counts: TrialCounts;
}

interface Parts {
  readonly affinity: readonly Part[];
  readonly antiAffinity: readonly Part[];
  /** Placed pods that refuse this one, by the topology that they refuse it in. */
  readonly refusals: Map<string, TrialCounts>;
  /** Pods, by terms, that match the affinity: none anywhere lets the pod be the first. */
  matches: number;
}

export class AffinityState {
  private readonly pod: Pod;
  private readonly namespaceLabels: Labels | undefined;
  private readonly parts: Parts;

  private constructor(pod: Pod, namespaceLabels: Labels | undefined, parts: Parts) {
    this.pod = pod;
    this.namespaceLabels = namespaceLabels;
    this.parts = parts;
  }

  /**
   * @param affinity resolved; a pod must match all of them
   * @param placed terms of placed pods that match the pod
   * @param count pods that match all the terms, by that topology
   */
  static of(
    pod: Pod,
    namespaceLabels: Labels | undefined,
    affinity: readonly CompiledTerm[],
    antiAffinity: readonly CompiledTerm[],
    placed: readonly PlacedTerm[],
    count: (topologyKey: string, terms: readonly CompiledTerm[]) => TopologyCounts,
  ): AffinityState {
    let matches = 0;
    const affinityParts = affinity.map((term): Part => {
      const counts = count(term.topologyKey, affinity);
      matches += counts.total;
      return { term, counts: new TrialCounts([counts]) };
    });
    const antiAffinityParts = antiAffinity.map((term): Part => ({
      term,
      counts: new TrialCounts([count(term.topologyKey, [term])]),
    }));
    const refusing = new Map<string, ValueCounts[]>();
    for (const { topologyKey, effect, counts } of placed)
      if (effect.kind === 'anti') refusing.set(topologyKey, [...(refusing.get(topologyKey) ?? []), counts]);
    const refusals = new Map([...refusing].map(([key, bases]) => [key, new TrialCounts(bases)]));
    return new AffinityState(pod, namespaceLabels, {
      affinity: affinityParts,
      antiAffinity: antiAffinityParts,
      refusals,
      matches,
    });
  }

  /** Every node will do. */
  get isIrrelevant(): boolean {
    const { affinity, antiAffinity, refusals } = this.parts;
    return affinity.length === 0 && antiAffinity.length === 0 && refusals.size === 0;
  }

  judge(node: Node): 'fits' | 'affinity' | 'antiAffinity' | 'refused' {
    if (!this.isNearFriends(node)) return 'affinity';
    for (const { term, counts } of this.parts.antiAffinity) {
      const value = topologyValue(node, term.topologyKey);
      if (value !== undefined && counts.of(value) > 0) return 'antiAffinity';
    }
    for (const [topologyKey, counts] of this.parts.refusals) {
      const value = topologyValue(node, topologyKey);
      if (value !== undefined && counts.of(value) > 0) return 'refused';
    }
    return 'fits';
  }

  private isNearFriends(node: Node): boolean {
    const { affinity, matches } = this.parts;
    let areThere = true;
    for (const { term, counts } of affinity) {
      const value = topologyValue(node, term.topologyKey);
      if (value === undefined) return false;
      if (counts.of(value) <= 0) areThere = false;
    }
    // The first of a group that wants to be together must be let in somewhere.
    return areThere || (matches === 0 && this.matchesItself);
  }

  private get matchesItself(): boolean {
    return matchesAll(
      this.parts.affinity.map(({ term }) => term),
      this.pod,
    );
  }

  /** As if `other` came to the node, or went. */
  change(other: Pod, node: Node, by: 1 | -1): void {
    const { parts } = this;
    const note = (counts: TrialCounts, topologyKey: string): boolean => {
      const value = topologyValue(node, topologyKey);
      if (value !== undefined) counts.change(value, by);
      return value !== undefined;
    };
    if (
      parts.affinity.length > 0 &&
      matchesAll(
        parts.affinity.map(({ term }) => term),
        other,
      )
    )
      for (const { term, counts } of parts.affinity) if (note(counts, term.topologyKey)) parts.matches += by;
    for (const { term, counts } of parts.antiAffinity) if (matchesAll([term], other)) note(counts, term.topologyKey);
    for (const term of requiredTerms(other, 'podAntiAffinity')) {
      const compiled = compilePlacedTerm(term, other.metadata.namespace ?? '');
      if (!termMatches(compiled, this.pod, this.namespaceLabels)) continue;
      const counts = parts.refusals.get(term.topologyKey) ?? new TrialCounts([]);
      parts.refusals.set(term.topologyKey, counts);
      note(counts, term.topologyKey);
    }
  }

  clone(): AffinityState {
    const copyOf = ({ term, counts }: Part): Part => ({ term, counts: counts.clone() });
    const { affinity, antiAffinity, refusals, matches } = this.parts;
    return new AffinityState(this.pod, this.namespaceLabels, {
      affinity: affinity.map(copyOf),
      antiAffinity: antiAffinity.map(copyOf),
      refusals: new Map([...refusals].map(([key, counts]) => [key, counts.clone()])),
      matches,
    });
  }
}
