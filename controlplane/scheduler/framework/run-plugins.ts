/**
 * One scheduling decision: runs the plugins over a snapshot. Pure; ties are broken by the `tieBreaker` that the caller gives.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import { explainRejections } from '../plan/explain-rejections.ts';
import {
  MAX_NODE_SCORE,
  type CycleState,
  type Plugin,
  type Rejection,
  type SchedulingDecision,
  type Snapshot,
} from './framework.ts';
import type { NodeInfo } from './node-info.ts';
import { priorityOf } from '../../../machinery/meta/pod-priority.ts';

/** Pods that others made room for, by the node where they did, then by uid: they count there for pods that are not more important. */
export type Nominations = ReadonlyMap<string, ReadonlyMap<string, Pod>>;

const NOBODY: Nominations = new Map();

export function decideNode(
  plugins: readonly Plugin[],
  pod: Pod,
  snapshot: Snapshot,
  tieBreaker: (candidates: number) => number,
  nominations: Nominations = NOBODY,
): SchedulingDecision {
  const state: CycleState = new Map();
  const rejections = new Map<string, Rejection[]>();
  for (const plugin of plugins) {
    const rejection = plugin.preFilter?.(state, pod, snapshot);
    if (rejection !== undefined) {
      for (const node of snapshot.nodes) rejections.set(node.name, [rejection]);
      return { kind: 'unschedulable', message: explainRejections(snapshot.nodes.length, rejections), rejections };
    }
  }
  const feasible: NodeInfo[] = [];
  for (const node of snapshot.nodes) {
    const reasons = rejectionsOn(plugins, state, pod, node, nominations);
    if (reasons.length === 0) feasible.push(node);
    else rejections.set(node.name, reasons);
  }
  if (feasible.length === 0) {
    return { kind: 'unschedulable', message: explainRejections(snapshot.nodes.length, rejections), rejections };
  }
  // Room was made for it there.
  const nominated = feasible.find(node => node.name === pod.status?.nominatedNodeName);
  if (nominated !== undefined) return { kind: 'fits', nodeName: nominated.name, feasible: feasible.length };
  const best = feasible.length === 1 ? feasible : bestOf(plugins, state, pod, feasible);
  const chosen = best[tieBreaker(best.length)] ?? best[0];
  return { kind: 'fits', nodeName: chosen?.name ?? '', feasible: feasible.length };
}

/** Whether the pod could run on that node of the snapshot. */
export function fitsOn(
  plugins: readonly Plugin[],
  pod: Pod,
  snapshot: Snapshot,
  node: NodeInfo,
  nominations: Nominations = NOBODY,
): boolean {
  const state: CycleState = new Map();
  if (plugins.some(plugin => plugin.preFilter?.(state, pod, snapshot) !== undefined)) return false;
  return rejectionsOn(plugins, state, pod, node, nominations).length === 0;
}

/** A node must do with the nominated pods and without them: they may never come. */
function rejectionsOn(
  plugins: readonly Plugin[],
  state: CycleState,
  pod: Pod,
  node: NodeInfo,
  nominations: Nominations,
): Rejection[] {
  const own = firstRejections(plugins, state, pod, node);
  if (own.length > 0) return own;
  const waiting = [...(nominations.get(node.name)?.values() ?? [])].filter(
    other => other.metadata.uid !== pod.metadata.uid && priorityOf(other) >= priorityOf(pod),
  );
  if (waiting.length === 0) return own;
  const full = node.clone();
  for (const other of waiting) full.addPod(other);
  return firstRejections(plugins, state, pod, full);
}

/** The reasons of the first plugin that turns the node down, as upstream counts them. */
function firstRejections(plugins: readonly Plugin[], state: CycleState, pod: Pod, node: NodeInfo): Rejection[] {
  for (const plugin of plugins) {
    const reasons = plugin.filter?.(state, pod, node);
    if (reasons !== undefined && reasons.length > 0) return reasons;
  }
  return [];
}

function bestOf(plugins: readonly Plugin[], state: CycleState, pod: Pod, feasible: readonly NodeInfo[]): NodeInfo[] {
  const totals = new Array<number>(feasible.length).fill(0);
  for (const plugin of plugins) {
    if (plugin.score === undefined) continue;
    plugin.preScore?.(state, pod, feasible);
    const scores = feasible.map(node => plugin.score?.(state, pod, node) ?? 0);
    plugin.normalize?.(scores);
    scores.forEach((score, i) => {
      totals[i] = (totals[i] ?? 0) + Math.min(MAX_NODE_SCORE, Math.max(0, score)) * (plugin.weight ?? 1);
    });
  }
  const top = Math.max(...totals);
  return feasible.filter((_, i) => totals[i] === top);
}

/** Brings scores to 0..100 by the largest; `reverse` gives the largest 0 (for penalties). */
export function normalizeByMax(scores: number[], reverse = false): void {
  const max = Math.max(0, ...scores);
  for (let i = 0; i < scores.length; i++) {
    const scaled = max === 0 ? 0 : Math.floor(((scores[i] ?? 0) * MAX_NODE_SCORE) / max);
    scores[i] = reverse ? MAX_NODE_SCORE - scaled : scaled;
  }
}
