/** PreScore and Score with normalisation and weights: which of the nodes that fit are best. */
import type { CycleState } from './cycle-state.ts';
import { MAX_NODE_SCORE } from './framework.ts';
import type { NodeInfo } from './node-info.ts';
import type { Question } from './question.ts';
import { timed } from './timing.ts';

/** Those with the highest sum of weighted scores. */
export function bestNodes(question: Question, state: CycleState, feasible: readonly NodeInfo[]): readonly NodeInfo[] {
  if (feasible.length < 2) return feasible;
  const { timing } = question;
  timed(timing, 'PreScore', () => runPreScores(question, state, feasible), succeeded);
  const totals = timed(timing, 'Score', () => runScores(question, state, feasible), succeeded);
  const extra = question.consultation?.scores;
  if (extra !== undefined && extra.size > 0)
    feasible.forEach((node, i) => (totals[i] = (totals[i] ?? 0) + (extra.get(node.name) ?? 0)));
  let top = -Infinity;
  for (const total of totals) if (total > top) top = total;
  return feasible.filter((_, i) => totals[i] === top);
}

function runPreScores({ plugins, pod, timing }: Question, state: CycleState, feasible: readonly NodeInfo[]): void {
  for (const { plugin } of plugins.preScore) {
    const beganMs = timing?.plugin === undefined ? 0 : performance.now();
    const answer = plugin.preScore?.(state, pod, feasible);
    if (answer === 'skip') state.skipScore.add(plugin.name);
    const status = answer === 'skip' ? 'Skip' : 'Success';
    timing?.plugin?.(plugin.name, 'PreScore', status, (performance.now() - beganMs) / 1000);
  }
}

function runScores({ plugins, pod, timing }: Question, state: CycleState, feasible: readonly NodeInfo[]): number[] {
  const totals = new Array<number>(feasible.length).fill(0);
  for (const { plugin, weight } of plugins.score) {
    if (plugin.score === undefined || state.skipScore.has(plugin.name)) continue;
    const beganMs = timing?.plugin === undefined ? 0 : performance.now();
    const scores = new Array<number>(feasible.length);
    for (let i = 0; i < feasible.length; i++) scores[i] = plugin.score(state, pod, feasible[i] as NodeInfo);
    plugin.normalize?.(state, pod, scores);
    for (let i = 0; i < scores.length; i++)
      totals[i] = (totals[i] ?? 0) + Math.min(MAX_NODE_SCORE, Math.max(0, scores[i] ?? 0)) * weight;
    timing?.plugin?.(plugin.name, 'Score', 'Success', (performance.now() - beganMs) / 1000);
  }
  return totals;
}

function succeeded(): string {
  return 'Success';
}
