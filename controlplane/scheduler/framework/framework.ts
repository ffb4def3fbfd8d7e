/**
 * The scheduling framework: what a plugin is, and what the scheduler promises it.
 *
 * Every plugin decides purely over a snapshot: no I/O, no clock, no API call. The extension points have upstream's names
 * (kubernetes.io/docs, "Scheduling Framework"); those that k8ts calls today are PreFilter, Filter, PreScore and Score.
 * What PostFilter is for upstream, preemption, is `preemption.ts`.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { Rejection } from '../plan/rejection.ts';
import type { NodeInfo } from './node-info.ts';

export type { Rejection } from '../plan/rejection.ts';

/** What plugins hand from one extension point to the next, for one pod's scheduling cycle. Keys are plugin names. */
export type CycleState = Map<string, unknown>;

/** A cluster at one moment. Nodes are sorted by name. */
export interface Snapshot {
  readonly nodes: readonly NodeInfo[];
}

export interface Plugin {
  readonly name: string;
  /** Computes once per pod what `filter` needs; a rejection here turns down every node. */
  preFilter?(state: CycleState, pod: Pod, snapshot: Snapshot): Rejection | undefined;
  /** Every reason why `pod` cannot run on the node; empty when it can. */
  filter?(state: CycleState, pod: Pod, node: NodeInfo): Rejection[];
  /** Computes once per pod what `score` needs, given the nodes that passed. */
  preScore?(state: CycleState, pod: Pod, nodes: readonly NodeInfo[]): void;
  /** Raw score of a node that passed; any range, brought to 0..100 by `normalize`. */
  score?(state: CycleState, pod: Pod, node: NodeInfo): number;
  /** Turns raw scores into 0..100 in place. Left out: they are in that range. */
  normalize?(scores: number[]): void;
  /** Weight of `score`; default 1. */
  readonly weight?: number;
}

/** The outcome for one pod. */
export type SchedulingDecision =
  | { kind: 'fits'; nodeName: string; feasible: number }
  | { kind: 'unschedulable'; message: string; rejections: ReadonlyMap<string, readonly Rejection[]> };

/** Largest score of a plugin after normalisation (upstream's MaxNodeScore). */
export const MAX_NODE_SCORE = 100;
