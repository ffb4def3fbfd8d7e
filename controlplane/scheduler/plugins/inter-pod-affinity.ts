/**
 * Pod affinity and anti-affinity, required (Filter) and preferred (Score), in both directions: what the pod asks of others and what placed pods ask
 * of it. Source: upstream plugin InterPodAffinity.
 */
import type { LabelSelector } from '../../../machinery/meta/label-selector.ts';
import { namespaces } from '../../../machinery/client/resource.ts';
import type { Node, Pod, PodAffinityTerm } from '../../../proto/api/core-v1.ts';
import type { CycleState } from '../framework/cycle-state.ts';
import { MAX_NODE_SCORE, type Plugin, type Rejection } from '../framework/framework.ts';
import type { Handle } from '../framework/handle.ts';
import type { Snapshot } from '../framework/snapshot.ts';
import { AffinityState } from '../plan/affinity-state.ts';
import { PlacedTerms, type PlacedTerm } from '../plan/placed-terms.ts';
import {
  affinityQuestion,
  effectiveTerms,
  requiredTerms,
  resolveTerm,
  weightedTerms,
  type NamespaceSource,
} from '../plan/pod-affinity-terms.ts';
import { PodIndex } from '../plan/pod-index.ts';
import type { TopologyCounts, ValueCounts } from '../plan/topology-counts.ts';
import { topologyValue, type CompiledTerm } from '../plan/topology.ts';
import { affinityEvents } from './affinity-events.ts';
import { pluginArgs } from './plugin-args.ts';

const NAME = 'InterPodAffinity';
const PLACED = 'InterPodAffinity/placed';
const SCORES = 'InterPodAffinity/scores';

const REJECTIONS: Readonly<Record<'affinity' | 'antiAffinity' | 'refused', readonly Rejection[]>> = {
  affinity: [{ reason: "node(s) didn't match pod affinity rules", unresolvable: true }],
  antiAffinity: [{ reason: "node(s) didn't match pod anti-affinity rules", unresolvable: false }],
  refused: [{ reason: "node(s) didn't satisfy existing pods anti-affinity rules", unresolvable: false }],
};

/** Each pod in a topology adds `weight`. */
interface Scored {
  readonly topologyKey: string;
  readonly counts: ValueCounts;
  readonly weight: number;
}

export function interPodAffinity(args: unknown, handle: Pick<Handle, 'informers' | 'snapshot'>): Plugin {
  const { hardPodAffinityWeight, ignorePreferredTermsOfExistingPods = false } = pluginArgs(NAME, args);
  const source = namespaceSource(handle);
  const index = new PodIndex();
  const placedTerms = new PlacedTerms(pod => effectiveTerms(pod, hardPodAffinityWeight));

  const resolve = (pod: Pod, terms: readonly PodAffinityTerm[]): CompiledTerm[] =>
    terms.map(term => resolveTerm(term, pod.metadata.namespace ?? '', source));
  const countIn =
    (snapshot: Snapshot) =>
    (topologyKey: string, terms: readonly CompiledTerm[]): TopologyCounts => {
      const { key, ask } = affinityQuestion(topologyKey, terms);
      return index.count(snapshot, key, ask);
    };
  const placedFor = (state: CycleState, pod: Pod, snapshot: Snapshot): readonly PlacedTerm[] => {
    const known = state.find<readonly PlacedTerm[]>(PLACED);
    if (known !== undefined) return known;
    const found = placedTerms.matching(snapshot, pod, source.labelsOf(pod.metadata.namespace ?? ''));
    state.write(PLACED, found);
    return found;
  };

  return {
    name: NAME,
    preFilter(state, pod, snapshot) {
      const placed = placedFor(state, pod, snapshot);
      const affinity = resolve(pod, requiredTerms(pod, 'podAffinity'));
      const antiAffinity = resolve(pod, requiredTerms(pod, 'podAntiAffinity'));
      const labels = source.labelsOf(pod.metadata.namespace ?? '');
      const own = AffinityState.of(pod, labels, affinity, antiAffinity, placed, countIn(snapshot));
      if (own.isIrrelevant) return 'skip';
      state.write(NAME, own);
      return undefined;
    },
    addPod: (state, _pod, other, { node }) => state.find<AffinityState>(NAME)?.change(other, node, 1),
    removePod: (state, _pod, other, { node }) => state.find<AffinityState>(NAME)?.change(other, node, -1),
    filter(state, _pod, { node }) {
      const verdict = state.read<AffinityState>(NAME).judge(node);
      return verdict === 'fits' ? undefined : REJECTIONS[verdict];
    },

    preScore(state, pod) {
      const own = weightedTerms(pod);
      if (ignorePreferredTermsOfExistingPods && own.length === 0) return 'skip';
      const snapshot = handle.snapshot();
      const scored: Scored[] = [];
      for (const { term, weight } of own) {
        const resolved = resolve(pod, [term]);
        const counts = countIn(snapshot)(term.topologyKey, resolved);
        if (counts.total > 0) scored.push({ topologyKey: term.topologyKey, counts, weight });
      }
      for (const { topologyKey, effect, counts } of placedFor(state, pod, snapshot))
        if (effect.kind === 'weight') scored.push({ topologyKey, counts, weight: effect.weight });
      if (scored.length === 0) return 'skip';
      state.write(SCORES, scored);
      return undefined;
    },
    score: (state, _pod, { node }) => scoreOf(state.read<readonly Scored[]>(SCORES), node),
    normalize: (_state, _pod, scores) => normalize(scores),
    eventsToRegister: () => affinityEvents(resolve, source),
  };
}

function scoreOf(scored: readonly Scored[], node: Node): number {
  let sum = 0;
  for (const { topologyKey, counts, weight } of scored) {
    const value = topologyValue(node, topologyKey);
    if (value !== undefined) sum += (counts.get(value) ?? 0) * weight;
  }
  return sum;
}

function normalize(scores: number[]): void {
  let [min, max] = [Infinity, -Infinity];
  for (const score of scores) {
    if (score < min) min = score;
    if (score > max) max = score;
  }
  const range = max - min;
  for (const [i, score] of scores.entries())
    scores[i] = range > 0 ? Math.floor(MAX_NODE_SCORE * ((score - min) / range)) : 0;
}

function namespaceSource({ informers }: Pick<Handle, 'informers'>): NamespaceSource {
  const { lister } = informers.informer(namespaces);
  return {
    labelsOf: name => lister.get(undefined, name)?.metadata.labels,
    *matching(selector: LabelSelector) {
      for (const { metadata } of lister.list()) if (selector.matches(metadata.labels)) yield metadata.name ?? '';
    },
  };
}
