/**
 * What pods that have a node ask of others: their affinity terms with how many pods of each topology value have them. A new pod is matched against
 * each distinct term once, however many pods share it, and only against terms that its labels may satisfy.
 *
 * Follows the cluster's changes as PodIndex does; nodes without such pods cost nothing.
 */
import type { Labels } from '../../../machinery/meta/label-requirement.ts';
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import type { Node, Pod, PodAffinityTerm } from '../../../proto/api/core-v1.ts';
import type { ClusterView, NodeView } from './cluster-view.ts';
import type { ValueCounts } from './topology-counts.ts';
import { compilePlacedTerm, labelWanted, termMatches, topologyValue, type CompiledTerm } from './topology.ts';

/** `anti`: refuses pods it matches. `weight`: makes places of pods it matches more welcome, or less when negative. */
export type TermEffect = { readonly kind: 'anti' } | { readonly kind: 'weight'; readonly weight: number };

/** A term that placed pods have. */
export interface PlacedTerm {
  readonly topologyKey: string;
  readonly effect: TermEffect;
  /** Pods with the term, by topology value. Good for this scheduling cycle. */
  readonly counts: ValueCounts;
}

interface Entry extends PlacedTerm {
  readonly key: string;
  readonly term: CompiledTerm;
  readonly counts: Map<string, number>;
  pods: number;
}

interface SeenNode {
  node: Node;
  generation: number;
  pods: ReadonlyMap<string, Pod>;
}

/** Terms that ask for no label in particular. */
const ANY = '';

/** A pod's terms as this index takes them. */
export interface EffectiveTerm {
  readonly term: PodAffinityTerm;
  readonly effect: TermEffect;
}

export class PlacedTerms {
  private readonly termsOf: (pod: Pod) => readonly EffectiveTerm[];
  private readonly nodes = new Map<string, SeenNode>();
  private readonly entries = new Map<string, Entry>();
  /** By a label that a pod must have for the term to match. */
  private readonly byLabel = new Map<string, Set<Entry>>();
  private generation = 0;
  private topologyGeneration = 0;

  /** @param termsOf the terms of a pod that count; must depend on its namespace and affinity alone */
  constructor(termsOf: (pod: Pod) => readonly EffectiveTerm[]) {
    this.termsOf = termsOf;
  }

  /** The terms of placed pods that match `pod`. @param namespaceLabels of the pod's namespace */
  matching(snapshot: ClusterView, pod: Pod, namespaceLabels: Labels | undefined): readonly PlacedTerm[] {
    if (snapshot.nodesWithAffinity.size === 0 && this.nodes.size === 0) return NONE;
    this.follow(snapshot);
    if (this.entries.size === 0) return NONE;
    const found: PlacedTerm[] = [];
    const look = (label: string): void => {
      for (const entry of this.byLabel.get(label) ?? [])
        if (termMatches(entry.term, pod, namespaceLabels)) found.push(entry);
    };
    look(ANY);
    for (const [key, value] of Object.entries(pod.metadata.labels ?? {})) look(`${key}=${value}`);
    return found;
  }

  private follow(snapshot: ClusterView): void {
    if (snapshot.topologyGeneration !== this.topologyGeneration) {
      for (const name of this.nodes.keys()) if (snapshot.node(name) === undefined) this.forget(name);
      for (const info of snapshot.nodes) this.look(info);
    } else {
      for (const info of snapshot.changedSince(this.generation)) this.look(info);
    }
    this.generation = snapshot.generation;
    this.topologyGeneration = snapshot.topologyGeneration;
  }

  private look(info: NodeView): void {
    const seen = this.nodes.get(info.name);
    if (seen === undefined) {
      if (info.podsWithAffinity.size === 0) return;
      const { node, generation, podsWithAffinity: pods } = info;
      this.nodes.set(info.name, { node, generation, pods });
      for (const pod of pods.values()) this.change(node, pod, 1);
      return;
    }
    if (seen.generation === info.generation) return;
    if (info.podsWithAffinity.size === 0) return this.forget(info.name);
    const moved = seen.node !== info.node && !jsonEquals(seen.node.metadata.labels, info.node.metadata.labels);
    if (moved || seen.pods !== info.podsWithAffinity) {
      const stays = (pod: Pod, others: ReadonlyMap<string, Pod>): boolean =>
        !moved && asksTheSame(pod, others.get(pod.metadata.uid ?? ''));
      for (const pod of seen.pods.values()) if (!stays(pod, info.podsWithAffinity)) this.change(seen.node, pod, -1);
      for (const pod of info.podsWithAffinity.values()) if (!stays(pod, seen.pods)) this.change(info.node, pod, 1);
    }
    seen.node = info.node;
    seen.generation = info.generation;
    seen.pods = info.podsWithAffinity;
  }

  private forget(name: string): void {
    const seen = this.nodes.get(name);
    if (seen === undefined) return;
    this.nodes.delete(name);
    for (const pod of seen.pods.values()) this.change(seen.node, pod, -1);
  }

  private change(node: Node, pod: Pod, by: 1 | -1): void {
    const namespace = pod.metadata.namespace ?? '';
    for (const { term, effect } of this.termsOf(pod)) {
      const key = JSON.stringify([namespace, effect, term]);
      const entry = this.entries.get(key) ?? this.add(key, compilePlacedTerm(term, namespace), effect);
      entry.pods += by;
      const value = topologyValue(node, entry.topologyKey);
      if (value !== undefined) {
        const count = (entry.counts.get(value) ?? 0) + by;
        if (count > 0) entry.counts.set(value, count);
        else entry.counts.delete(value);
      }
      if (entry.pods === 0) this.drop(entry);
    }
  }

  private add(key: string, term: CompiledTerm, effect: TermEffect): Entry {
    const entry: Entry = { key, topologyKey: term.topologyKey, effect, counts: new Map(), term, pods: 0 };
    this.entries.set(key, entry);
    const label = bucketOf(term);
    const sameLabel = this.byLabel.get(label) ?? new Set();
    this.byLabel.set(label, sameLabel.add(entry));
    return entry;
  }

  private drop(entry: Entry): void {
    this.entries.delete(entry.key);
    const label = bucketOf(entry.term);
    const sameLabel = this.byLabel.get(label);
    sameLabel?.delete(entry);
    if (sameLabel?.size === 0) this.byLabel.delete(label);
  }
}

const NONE: readonly PlacedTerm[] = [];

function bucketOf({ selector }: CompiledTerm): string {
  const wanted = labelWanted(selector);
  return wanted === undefined ? ANY : `${wanted.key}=${wanted.value}`;
}

function asksTheSame(one: Pod, other: Pod | undefined): boolean {
  if (one === other) return true;
  return one.metadata.namespace === other?.metadata.namespace && jsonEquals(one.spec.affinity, other?.spec.affinity);
}
