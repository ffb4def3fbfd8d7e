/**
 * One scheduling decision: runs the plugins over a snapshot. Pure; ties are broken by the `tieBreaker` that the caller gives.
 */
import { explainRejections, explainTurnedDown } from '../plan/explain-rejections.ts';
import { CycleState } from './cycle-state.ts';
import { findNodes } from './find-nodes.ts';
import { MAX_NODE_SCORE, type Diagnosis } from './framework.ts';
import type { NodeInfo } from './node-info.ts';
import type { Question } from './question.ts';
import { bestNodes } from './score-nodes.ts';

/** The outcome for one pod. `looked`: how many nodes were looked at. */
export type SchedulingDecision =
  | {
      readonly kind: 'fits';
      readonly nodeName: string;
      /** All that fit and were found. */
      readonly feasible: readonly NodeInfo[];
      readonly looked: number;
      readonly state: CycleState;
    }
  | {
      readonly kind: 'unschedulable';
      readonly message: string;
      readonly diagnosis: Diagnosis;
      readonly looked: number;
      readonly state: CycleState;
    };

export function decide(question: Question): SchedulingDecision {
  const { snapshot, tieBreaker } = question;
  const state = new CycleState();
  const search = findNodes(question, state);
  const { feasible, looked } = search;
  if (feasible.length === 0) {
    const diagnosis = search.diagnosis();
    const nodeCount = snapshot.nodes.length;
    const message =
      search.preFilterMessage === undefined || nodeCount === 0
        ? explainRejections(nodeCount, diagnosis.byNode)
        : explainTurnedDown(nodeCount, search.preFilterMessage);
    return { kind: 'unschedulable', message, diagnosis, looked, state };
  }
  const best = bestNodes(question, state, feasible);
  const chosen = best.length === 1 ? best[0] : best[tieBreaker(best.length)];
  return { kind: 'fits', nodeName: (chosen ?? best[0])?.name ?? '', feasible, looked, state };
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
