/**
 * One scheduling decision: runs the plugins over a snapshot. Pure; ties are broken by the `tieBreaker` that the caller gives.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import { priorityOf } from '../../../machinery/meta/pod-priority.ts';
import { explainRejections } from '../plan/explain-rejections.ts';
import { CycleState } from './cycle-state.ts';
import { MAX_NODE_SCORE, type Diagnosis, type NodeSubset, type Rejection } from './framework.ts';
import type { NodeInfo } from './node-info.ts';
import { Nominator } from './nominator.ts';
import type { PluginsByPoint } from './profile.ts';
import type { Snapshot } from './snapshot.ts';

/** The outcome for one pod. */
export type SchedulingDecision =
  | { readonly kind: 'fits'; readonly nodeName: string; readonly feasible: number; readonly state: CycleState }
  | {
      readonly kind: 'unschedulable';
      readonly message: string;
      readonly diagnosis: Diagnosis;
      readonly state: CycleState;
    };

const NOBODY = new Nominator();

export function decideNode(
  plugins: PluginsByPoint,
  pod: Pod,
  snapshot: Snapshot,
  tieBreaker: (candidates: number) => number,
  nominator: Nominator = NOBODY,
): SchedulingDecision {
  const state = new CycleState();
  const byNode = new Map<string, readonly Rejection[]>();
  const guilty = new Set<string>();
  const unschedulable = (): SchedulingDecision => ({
    kind: 'unschedulable',
    message: explainRejections(snapshot.nodes.length, byNode),
    diagnosis: { byNode, plugins: guilty },
    state,
  });
  const nodes = runPreFilters(plugins, state, pod, snapshot, byNode, guilty);
  const feasible: NodeInfo[] = [];
  for (const node of nodes) {
    const reasons = runFilters(plugins, state, pod, node, nominator, guilty);
    if (reasons === undefined) feasible.push(node);
    else byNode.set(node.name, reasons);
  }
  if (feasible.length === 0) return unschedulable();
  // Room was made for it there.
  const nominated = feasible.find(node => node.name === pod.status?.nominatedNodeName);
  if (nominated !== undefined) return { kind: 'fits', nodeName: nominated.name, feasible: feasible.length, state };
  const best = feasible.length === 1 ? feasible : bestOf(plugins, state, pod, feasible);
  const chosen = best[tieBreaker(best.length)] ?? best[0];
  return { kind: 'fits', nodeName: chosen?.name ?? '', feasible: feasible.length, state };
}

/** The nodes that PreFilter leaves; what it turns down is noted in `byNode`, by whom in `guilty`. */
function runPreFilters(
  plugins: PluginsByPoint,
  state: CycleState,
  pod: Pod,
  snapshot: Snapshot,
  byNode: Map<string, readonly Rejection[]>,
  guilty: Set<string>,
): readonly NodeInfo[] {
  let allowed: ReadonlySet<string> | undefined;
  const narrowing: string[] = [];
  for (const { plugin } of plugins.preFilter) {
    const answer = plugin.preFilter?.(state, pod, snapshot);
    if (answer === undefined) continue;
    if (answer === 'skip') state.skipFilter.add(plugin.name);
    else if (isSubset(answer)) {
      narrowing.push(plugin.name);
      const { nodeNames } = answer;
      allowed = allowed === undefined ? nodeNames : new Set([...allowed].filter(name => nodeNames.has(name)));
    } else {
      for (const node of snapshot.nodes) byNode.set(node.name, [answer]);
      guilty.add(plugin.name);
      return [];
    }
  }
  if (allowed === undefined) return snapshot.nodes;
  const left = new Set(allowed);
  const reason = `node(s) didn't satisfy plugin(s) [${narrowing.join(' ')}]`;
  for (const node of snapshot.nodes) if (!left.has(node.name)) byNode.set(node.name, [{ reason, unresolvable: true }]);
  for (const name of narrowing) guilty.add(name);
  return snapshot.nodes.filter(node => left.has(node.name));
}

/**
 * A node must do with the nominated pods that are not less important and without them: they may never come.
 *
 * @param guilty gets the plugin that turns the node down
 */
export function runFilters(
  plugins: PluginsByPoint,
  state: CycleState,
  pod: Pod,
  node: NodeInfo,
  nominator: Nominator = NOBODY,
  guilty?: Set<string>,
): readonly Rejection[] | undefined {
  const nominated = nominator.on(node.name);
  if (nominated.size > 0) {
    const rejections = withNominated(plugins, state, pod, node, nominated, guilty);
    if (rejections !== undefined) return rejections;
  }
  return firstRejections(plugins, state, pod, node, guilty);
}

function withNominated(
  plugins: PluginsByPoint,
  state: CycleState,
  pod: Pod,
  node: NodeInfo,
  nominated: ReadonlyMap<string, Pod>,
  guilty: Set<string> | undefined,
): readonly Rejection[] | undefined {
  const waiting = [...nominated.values()].filter(
    other => other.metadata.uid !== pod.metadata.uid && priorityOf(other) >= priorityOf(pod),
  );
  if (waiting.length === 0) return undefined;
  const trial = state.clone();
  const full = node.clone();
  for (const other of waiting) {
    full.addPod(other);
    for (const { plugin } of plugins.preFilter) plugin.addPod?.(trial, pod, other, full);
  }
  return firstRejections(plugins, trial, pod, full, guilty);
}

/** The reasons of the first plugin that turns the node down, as upstream counts them. */
function firstRejections(
  plugins: PluginsByPoint,
  state: CycleState,
  pod: Pod,
  node: NodeInfo,
  guilty: Set<string> | undefined,
): readonly Rejection[] | undefined {
  const { skipFilter } = state;
  for (const { plugin } of plugins.filter) {
    if (skipFilter.size > 0 && skipFilter.has(plugin.name)) continue;
    const reasons = plugin.filter?.(state, pod, node);
    if (reasons === undefined || reasons.length === 0) continue;
    guilty?.add(plugin.name);
    return reasons;
  }
  return undefined;
}

function bestOf(plugins: PluginsByPoint, state: CycleState, pod: Pod, feasible: readonly NodeInfo[]): NodeInfo[] {
  for (const { plugin } of plugins.preScore)
    if (plugin.preScore?.(state, pod, feasible) === 'skip') state.skipScore.add(plugin.name);
  const totals = new Array<number>(feasible.length).fill(0);
  for (const { plugin, weight } of plugins.score) {
    if (state.skipScore.has(plugin.name)) continue;
    const scores = feasible.map(node => plugin.score?.(state, pod, node) ?? 0);
    plugin.normalize?.(state, pod, scores);
    for (let i = 0; i < scores.length; i++) {
      totals[i] = (totals[i] ?? 0) + Math.min(MAX_NODE_SCORE, Math.max(0, scores[i] ?? 0)) * weight;
    }
  }
  let top = -Infinity;
  for (const total of totals) if (total > top) top = total;
  return feasible.filter((_, i) => totals[i] === top);
}

function isSubset(answer: Rejection | NodeSubset): answer is NodeSubset {
  return 'nodeNames' in answer;
}

/** Brings scores to 0..100 by the largest; `reverse` gives the largest 0 (for penalties). */
export function normalizeByMax(scores: number[], reverse = false): void {
  let max = 0;
  for (const score of scores) if (score > max) max = score;
  for (let i = 0; i < scores.length; i++) {
    const scaled = max === 0 ? 0 : Math.floor(((scores[i] ?? 0) * MAX_NODE_SCORE) / max);
    scores[i] = reverse ? MAX_NODE_SCORE - scaled : scaled;
  }
}
