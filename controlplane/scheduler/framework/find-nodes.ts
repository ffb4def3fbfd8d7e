/** PreFilter and Filter: which nodes a pod fits on, and why not on the others. */
import { EXTENDER_NAME } from './consult-extenders.ts';
import type { CycleState } from './cycle-state.ts';
import type { Diagnosis, NodeSubset, Rejection } from './framework.ts';
import type { NodeInfo } from './node-info.ts';
import type { Question } from './question.ts';
import { filtersOf, runFilters, type FilterRun } from './run-filters.ts';
import { timed } from './timing.ts';

export interface Search {
  readonly feasible: readonly NodeInfo[];
  /** How many nodes were looked at. */
  readonly looked: number;
  /** PreFilter turned the pod down everywhere: its words. */
  readonly preFilterMessage?: string | undefined;
  /** Only worth making when nothing is feasible. */
  diagnosis(): Diagnosis;
}

/** Upstream's adaptive share: 50 % less one for 125 nodes, 5 % at least; below a hundred nodes all. Source: `numFeasibleNodesToFind`. */
export function enoughNodes(nodeCount: number, percentageOfNodesToScore = 0): number {
  if (nodeCount < 100) return nodeCount;
  const percentage =
    percentageOfNodesToScore > 0 ? percentageOfNodesToScore : Math.max(5, 50 - Math.floor(nodeCount / 125));
  return percentage >= 100 ? nodeCount : Math.max(100, Math.floor((nodeCount * percentage) / 100));
}

export function findNodes(question: Question, state: CycleState): Search {
  const { snapshot, timing, consultation } = question;
  const guilty = new Set<string>();
  const narrowed = timed(
    timing,
    'PreFilter',
    () => runPreFilters(question, state, guilty),
    answer => ('rejection' in answer ? 'Unschedulable' : 'Success'),
  );
  if ('rejection' in narrowed) return turnedDown(question, narrowed.rejection, guilty);
  const left = consultation?.nodeNames;
  const candidates = left === undefined ? narrowed.nodes : narrowed.nodes.filter(node => left.has(node.name));
  // Room was made for it there: nothing else is looked at while it is still free.
  const nominated = nominatedNode(question, candidates);
  if (nominated !== undefined && runFilters(question, state, nominated) === undefined)
    return { feasible: [nominated], looked: 1, diagnosis: () => ({ byNode: new Map(), plugins: guilty }) };

  const rejected: { node: NodeInfo; reasons: readonly Rejection[] }[] = [];
  const found = timed(
    timing,
    'Filter',
    () =>
      filterNodes({ ...question, guilty, filters: filtersOf(question.plugins, state) }, state, candidates, rejected),
    ({ feasible }) => (feasible.length > 0 ? 'Success' : 'Unschedulable'),
  );
  const diagnosis = (): Diagnosis => {
    const byNode = new Map<string, readonly Rejection[]>();
    const { subset } = narrowed;
    if (subset !== undefined)
      for (const { name } of snapshot.nodes) if (!subset.names.has(name)) byNode.set(name, [subset.rejection]);
    for (const { node, reasons } of rejected) byNode.set(node.name, reasons);
    for (const [name, reasons] of consultation?.rejections ?? []) byNode.set(name, reasons);
    if (consultation !== undefined) guilty.add(EXTENDER_NAME);
    return { byNode, plugins: guilty };
  };
  return { ...found, diagnosis };
}

function nominatedNode({ pod, snapshot }: Question, candidates: readonly NodeInfo[]): NodeInfo | undefined {
  const name = pod.status?.nominatedNodeName ?? '';
  const node = name === '' ? undefined : snapshot.node(name);
  return node !== undefined && (candidates === snapshot.nodes || candidates.includes(node)) ? node : undefined;
}

interface Narrowed {
  readonly nodes: readonly NodeInfo[];
  /** The nodes that PreFilter left, and what is said of the others. */
  readonly subset?: { readonly names: ReadonlySet<string>; readonly rejection: Rejection } | undefined;
}

function runPreFilters(
  { plugins, pod, snapshot, timing }: Question,
  state: CycleState,
  guilty: Set<string>,
): Narrowed | { readonly rejection: Rejection } {
  let names: ReadonlySet<string> | undefined;
  const narrowing: string[] = [];
  for (const { plugin } of plugins.preFilter) {
    const beganMs = timing?.plugin === undefined ? 0 : performance.now();
    const answer = plugin.preFilter?.(state, pod, snapshot);
    timing?.plugin?.(plugin.name, 'PreFilter', statusOf(answer), (performance.now() - beganMs) / 1000);
    if (answer === undefined) continue;
    if (answer === 'skip') state.skipFilter.add(plugin.name);
    else if (isSubset(answer)) {
      const { nodeNames } = answer;
      narrowing.push(plugin.name);
      names = names === undefined ? nodeNames : new Set([...names].filter(name => nodeNames.has(name)));
      if (names.size === 0) {
        for (const name of narrowing) guilty.add(name);
        const reason =
          narrowing.length === 1
            ? `node(s) didn't satisfy plugin ${narrowing[0]}`
            : `node(s) didn't satisfy plugin(s) [${narrowing.sort().join(' ')}] simultaneously`;
        return { rejection: { reason, unresolvable: true } };
      }
    } else {
      guilty.add(plugin.name);
      return { rejection: answer };
    }
  }
  if (names === undefined) return { nodes: snapshot.nodes };
  // Those that name the nodes have turned the others down.
  for (const name of narrowing) guilty.add(name);
  const nodes = [...names].flatMap(name => snapshot.node(name) ?? []);
  const reason = `node(s) didn't satisfy plugin(s) [${narrowing.sort().join(' ')}]`;
  return { nodes, subset: { names, rejection: { reason, unresolvable: true } } };
}

function filterNodes(
  question: Question & FilterRun,
  state: CycleState,
  nodes: readonly NodeInfo[],
  rejected: { node: NodeInfo; reasons: readonly Rejection[] }[],
): { feasible: NodeInfo[]; looked: number } {
  const { enough = nodes.length, start = 0 } = question;
  const feasible: NodeInfo[] = [];
  let looked = 0;
  for (let index = nodes.length === 0 ? 0 : start % nodes.length; looked < nodes.length; looked++) {
    if (feasible.length >= enough) break;
    const node = nodes[index] as NodeInfo;
    if (++index === nodes.length) index = 0;
    const reasons = runFilters(question, state, node);
    if (reasons === undefined) feasible.push(node);
    else rejected.push({ node, reasons });
  }
  return { feasible, looked };
}

function turnedDown({ snapshot }: Question, rejection: Rejection, plugins: ReadonlySet<string>): Search {
  return {
    feasible: [],
    looked: 0,
    preFilterMessage: rejection.reason,
    diagnosis: () => ({ byNode: new Map(snapshot.nodes.map(({ name }) => [name, [rejection]])), plugins }),
  };
}

function isSubset(answer: Rejection | NodeSubset): answer is NodeSubset {
  return 'nodeNames' in answer;
}

function statusOf(answer: undefined | 'skip' | Rejection | NodeSubset): string {
  if (answer === 'skip') return 'Skip';
  return answer === undefined || isSubset(answer) ? 'Success' : 'Unschedulable';
}
