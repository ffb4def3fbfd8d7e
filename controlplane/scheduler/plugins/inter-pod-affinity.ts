/**
 * Pod affinity and anti-affinity, required (Filter) and preferred (Score), in both directions: what the pod asks of others and what
 * others on the nodes ask of it. Source: upstream plugin InterPodAffinity.
 */
import type { Pod, PodAffinityTerm } from '../../../proto/api/core-v1.ts';
import type { CycleState } from '../framework/cycle-state.ts';
import { MAX_NODE_SCORE, type Plugin } from '../framework/framework.ts';
import type { NodeInfo } from '../framework/node-info.ts';
import type { Snapshot } from '../framework/snapshot.ts';
import { compileTerm, type CompiledTerm } from '../plan/topology.ts';

type NamespaceLabels = (namespace: string) => Readonly<Record<string, string>> | undefined;

/** How many matching pods each topology value holds. */
type Counts = Map<string, number>;

interface State {
  affinity: { term: CompiledTerm; counts: Counts }[];
  antiAffinity: { term: CompiledTerm; counts: Counts }[];
  /** Topology pairs `key\0value` where a pod that is there already refuses this one. */
  refused: Set<string>;
  /** True: no pod anywhere matches the affinity, but this pod does itself, so it may be the first. */
  mayBeFirst: boolean;
}

const NAME = 'InterPodAffinity';
const required = (pod: Pod, kind: 'podAffinity' | 'podAntiAffinity'): readonly PodAffinityTerm[] =>
  pod.spec.affinity?.[kind]?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
const topologyOf = (info: NodeInfo, key: string): string | undefined => info.node.metadata.labels?.[key];

function countMatches(term: CompiledTerm, snapshot: Snapshot): Counts {
  const counts: Counts = new Map();
  for (const info of snapshot.nodes) {
    const value = topologyOf(info, term.topologyKey);
    if (value === undefined) continue;
    let n = 0;
    for (const other of info.pods.values()) if (term.matches(other)) n++;
    if (n > 0) counts.set(value, (counts.get(value) ?? 0) + n);
  }
  return counts;
}

/** @param namespaceLabels labels of a namespace, for terms with a namespaceSelector */
export function interPodAffinity(namespaceLabels: NamespaceLabels): Plugin {
  const compile = (terms: readonly PodAffinityTerm[], owner: Pod): CompiledTerm[] =>
    terms.map(term => compileTerm(term, owner, namespaceLabels));
  return {
    name: NAME,
    preFilter(cycle, pod, snapshot) {
      const affinity = compile(required(pod, 'podAffinity'), pod).map(term => ({
        term,
        counts: countMatches(term, snapshot),
      }));
      const antiAffinity = compile(required(pod, 'podAntiAffinity'), pod).map(term => ({
        term,
        counts: countMatches(term, snapshot),
      }));
      const refused = new Set<string>();
      for (const info of snapshot.nodesWithRequiredAntiAffinity) {
        for (const other of info.podsWithRequiredAntiAffinity.values()) {
          for (const term of compile(required(other, 'podAntiAffinity'), other)) {
            const value = topologyOf(info, term.topologyKey);
            if (value !== undefined && term.matches(pod)) refused.add(`${term.topologyKey}\0${value}`);
          }
        }
      }
      const mayBeFirst = affinity.every(a => a.counts.size === 0 && a.term.matches(pod));
      cycle.write(NAME, { affinity, antiAffinity, refused, mayBeFirst } satisfies State);
      return undefined;
    },
    filter(cycle, _pod, info) {
      const state = cycle.read<State>(NAME);
      for (const { term, counts } of state.affinity) {
        const value = topologyOf(info, term.topologyKey);
        if (value === undefined || (!counts.has(value) && !state.mayBeFirst)) {
          return [{ reason: "node(s) didn't match pod affinity rules", unresolvable: true }];
        }
      }
      for (const { term, counts } of state.antiAffinity) {
        const value = topologyOf(info, term.topologyKey);
        if (value !== undefined && counts.has(value)) {
          return [{ reason: "node(s) didn't match pod anti-affinity rules", unresolvable: false }];
        }
      }
      for (const [key, value] of Object.entries(info.node.metadata.labels ?? {})) {
        if (state.refused.has(`${key}\0${value}`)) {
          return [{ reason: "node(s) didn't satisfy existing pods anti-affinity rules", unresolvable: false }];
        }
      }
      return undefined;
    },
    preScore(cycle, pod, nodes) {
      cycle.write(`${NAME}/score`, preferredScores(pod, nodes, compile));
      return undefined;
    },
    score: (cycle: CycleState, _pod, info) => cycle.read<Map<string, number>>(`${NAME}/score`).get(info.name) ?? 0,
    normalize(_cycle, _pod, scores) {
      const [min, max] = [Math.min(...scores), Math.max(...scores)];
      for (let i = 0; i < scores.length; i++) {
        scores[i] = max === min ? 0 : Math.floor((MAX_NODE_SCORE * ((scores[i] ?? 0) - min)) / (max - min));
      }
    },
  };
}

/** Sum of the preferred terms' weights that hold, per node. */
function preferredScores(
  pod: Pod,
  nodes: readonly NodeInfo[],
  compile: (terms: readonly PodAffinityTerm[], owner: Pod) => CompiledTerm[],
): Map<string, number> {
  const byPair = new Map<string, number>();
  const note = (info: NodeInfo, key: string, weight: number): void => {
    const value = topologyOf(info, key);
    if (value !== undefined) byPair.set(`${key}\0${value}`, (byPair.get(`${key}\0${value}`) ?? 0) + weight);
  };
  const weighted = (owner: Pod): { term: CompiledTerm; weight: number }[] =>
    (['podAffinity', 'podAntiAffinity'] as const).flatMap(kind =>
      (owner.spec.affinity?.[kind]?.preferredDuringSchedulingIgnoredDuringExecution ?? []).flatMap(
        ({ podAffinityTerm, weight }) =>
          compile([podAffinityTerm], owner).map(term => ({ term, weight: kind === 'podAffinity' ? weight : -weight })),
      ),
    );
  const mine = weighted(pod);
  for (const info of nodes) {
    for (const other of info.pods.values()) {
      for (const { term, weight } of mine) if (term.matches(other)) note(info, term.topologyKey, weight);
      for (const { term, weight } of weighted(other)) if (term.matches(pod)) note(info, term.topologyKey, weight);
    }
  }
  const scores = new Map<string, number>();
  if (byPair.size === 0) return scores;
  for (const info of nodes) {
    const sum = Object.entries(info.node.metadata.labels ?? {}).reduce(
      (n, [k, v]) => n + (byPair.get(`${k}\0${v}`) ?? 0),
      0,
    );
    scores.set(info.name, sum);
  }
  return scores;
}
