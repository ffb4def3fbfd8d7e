/**
 * Keeps pods evenly spread over zones, hosts or any other topology. Source: upstream plugin PodTopologySpread. Pods without constraints get the
 * profile's (`defaultConstraints`) or upstream's own; those count the pods that the pod's services and its controller select.
 *
 * Differs: nodes that share a host name count as one in scores too; upstream counts each by itself there.
 */
import type { Node, Pod, TopologySpreadConstraint } from '../../../proto/api/core-v1.ts';
import type { CycleState } from '../framework/cycle-state.ts';
import { MAX_NODE_SCORE, type Plugin } from '../framework/framework.ts';
import type { Handle } from '../framework/handle.ts';
import type { NodeInfo } from '../framework/node-info.ts';
import { defaultSelector } from '../plan/default-selector.ts';
import { PodIndex } from '../plan/pod-index.ts';
import {
  compileConstraint,
  spreadQuestion,
  standsInAll,
  SYSTEM_CONSTRAINTS,
  type SpreadConstraint,
} from '../plan/spread-constraints.ts';
import { SpreadState } from '../plan/spread-state.ts';
import type { TopologyCounts, ValueCounts } from '../plan/topology-counts.ts';
import { topologyValue } from '../plan/topology.ts';
import { pluginArgs } from './plugin-args.ts';
import { selectorSources } from './selector-sources.ts';
import { spreadEvents } from './spread-events.ts';

const NAME = 'PodTopologySpread';
const SCORES = 'PodTopologySpread/scores';
const HOSTNAME = 'kubernetes.io/hostname';
/** Of a node that stands outside a topology: brought to 0 in the end. */
const OUTSIDE = -1;

const TOO_UNEVEN = [{ reason: "node(s) didn't match pod topology spread constraints", unresolvable: false }];
const NO_LABEL = [
  { reason: "node(s) didn't match pod topology spread constraints (missing required label)", unresolvable: true },
];

type Action = TopologySpreadConstraint['whenUnsatisfiable'];

interface Scored {
  readonly topologyKey: string;
  readonly counts: ValueCounts;
  readonly weight: number;
  readonly maxSkew: number;
}

interface ScoreState {
  readonly scored: readonly Scored[];
  /** Nodes that lack one of the topologies have no score. */
  readonly needsAll: boolean;
}

export function podTopologySpread(args: unknown, handle: Pick<Handle, 'informers' | 'snapshot'>): Plugin {
  const { defaultingType, defaultConstraints = [] } = pluginArgs(NAME, args);
  const isSystem = defaultingType === 'System';
  const defaults = isSystem ? SYSTEM_CONSTRAINTS : defaultConstraints;
  const sources = defaults.length === 0 ? undefined : selectorSources(handle.informers);
  const index = new PodIndex();

  /** Own constraints of pods: they are asked for with every pod that comes or goes while the pod waits. */
  const known = new WeakMap<Pod, readonly SpreadConstraint[]>();
  const ownOf = (pod: Pod, own: readonly TopologySpreadConstraint[]): readonly SpreadConstraint[] => {
    const compiled = known.get(pod) ?? own.map(constraint => compileConstraint(constraint, pod));
    known.set(pod, compiled);
    return compiled;
  };
  const defaultsOf = (pod: Pod, action: Action): readonly SpreadConstraint[] => {
    const wanted = defaults.filter(({ whenUnsatisfiable }) => whenUnsatisfiable === action);
    if (wanted.length === 0 || sources === undefined) return [];
    const selector = defaultSelector(pod, sources);
    return selector.isEmpty ? [] : wanted.map(constraint => compileConstraint(constraint, pod, selector));
  };
  const constraintsOf = (pod: Pod, action: Action): readonly SpreadConstraint[] => {
    const own = pod.spec.topologySpreadConstraints ?? [];
    if (own.length === 0) return defaultsOf(pod, action);
    return ownOf(pod, own).filter(({ whenUnsatisfiable }) => whenUnsatisfiable === action);
  };

  return {
    name: NAME,
    preFilter(state, pod, snapshot) {
      const constraints = constraintsOf(pod, 'DoNotSchedule');
      if (constraints.length === 0) return 'skip';
      const keys = constraints.map(({ topologyKey }) => topologyKey);
      const countsOf = (constraint: SpreadConstraint): TopologyCounts => {
        const { key, ask } = spreadQuestion(constraint, pod, keys);
        return index.count(snapshot, key, ask);
      };
      state.write(NAME, SpreadState.of(pod, constraints, countsOf));
      return undefined;
    },
    addPod: (state, _pod, other, { node }) => state.find<SpreadState>(NAME)?.change(other, node, 1),
    removePod: (state, _pod, other, { node }) => state.find<SpreadState>(NAME)?.change(other, node, -1),
    filter(state, _pod, { node }) {
      const verdict = state.read<SpreadState>(NAME).judge(node);
      if (verdict === 'fits') return undefined;
      return verdict === 'noLabel' ? NO_LABEL : TOO_UNEVEN;
    },

    preScore(state, pod, nodes) {
      const constraints = constraintsOf(pod, 'ScheduleAnyway');
      if (constraints.length === 0) return 'skip';
      // Upstream's own defaults must not turn away from nodes without zones.
      const needsAll = !isSystem || (pod.spec.topologySpreadConstraints ?? []).length > 0;
      const considered = needsAll ? nodes.filter(({ node }) => standsInAll(node, constraints)) : nodes;
      const scored = constraints.map((constraint): Scored => {
        const { topologyKey, maxSkew } = constraint;
        const keys = needsAll ? constraints.map(each => each.topologyKey) : [topologyKey];
        const { key, ask } = spreadQuestion(constraint, pod, keys);
        const counts = index.count(handle.snapshot(), key, ask);
        return { topologyKey, maxSkew, counts, weight: Math.log(domainsAmong(considered, topologyKey) + 2) };
      });
      state.write(SCORES, { scored, needsAll } satisfies ScoreState);
      return undefined;
    },
    score: (state, _pod, info) => scoreOf(state, info.node),
    normalize: (_state, _pod, scores) => normalize(scores),
    eventsToRegister: () => spreadEvents(pod => constraintsOf(pod, 'DoNotSchedule')),
  };
}

/** Nodes without the label count as one domain more, as upstream has it. */
function domainsAmong(nodes: readonly NodeInfo[], topologyKey: string): number {
  if (topologyKey === HOSTNAME) return nodes.length;
  const values = new Set<string | undefined>();
  for (const { node } of nodes) values.add(topologyValue(node, topologyKey));
  return values.size;
}

/** Matching pods around the node: a domain of many weighs more, so that it is not watered down by wider topologies. */
function scoreOf(state: CycleState, node: Node): number {
  const { scored, needsAll } = state.read<ScoreState>(SCORES);
  if (needsAll && !standsInAll(node, scored)) return OUTSIDE;
  let sum = 0;
  for (const { topologyKey, counts, weight, maxSkew } of scored) {
    const value = topologyValue(node, topologyKey);
    if (value !== undefined) sum += (counts.get(value) ?? 0) * weight + (maxSkew - 1);
  }
  return Math.round(sum);
}

/** The fewer pods, the better. */
function normalize(scores: number[]): void {
  let [min, max] = [Infinity, 0];
  for (const score of scores) {
    if (score === OUTSIDE) continue;
    if (score < min) min = score;
    if (score > max) max = score;
  }
  for (const [i, score] of scores.entries()) {
    if (score === OUTSIDE) scores[i] = 0;
    else scores[i] = max === 0 ? MAX_NODE_SCORE : Math.floor((MAX_NODE_SCORE * (max + min - score)) / max);
  }
}
