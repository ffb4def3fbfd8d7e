/**
 * Dry runs: from which nodes less important pods could go so that a pod fits there. Pure over a snapshot.
 * Source: upstream's `DryRunPreemption` and `SelectVictimsOnNode` (DefaultPreemption, 1.36).
 *
 * Differs: all dry runs share one clone of the cycle's state. What a dry run took out of it is put back at its end, which costs what the node's pods
 * cost, and not what the whole cluster does.
 */
import { priorityOf } from '../../../machinery/meta/pod-priority.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { CycleState } from '../framework/cycle-state.ts';
import type { Rejection } from '../framework/framework.ts';
import type { Handle } from '../framework/handle.ts';
import type { NodeInfo } from '../framework/node-info.ts';
import type { DisruptionBudgets } from '../plan/disruption-budgets.ts';
import { byImportance, type Candidate } from '../plan/preemption-candidates.ts';
import type { DryRunOutcome, KnownOutcomes } from './dry-run-memory.ts';

const NO_VICTIMS: readonly Rejection[] = [
  { reason: 'No preemption victims found for incoming pod', unresolvable: true },
];

export interface CandidateSearch {
  readonly handle: Pick<Handle, 'addPod' | 'removePod' | 'runFilters' | 'nominator'>;
  readonly pod: Pod;
  /** As PreFilter left it; not changed. */
  readonly state: CycleState;
  readonly budgets: DisruptionBudgets;
  /** What was found for pods like it. */
  readonly known?: KnownOutcomes | undefined;
  /** Nodes where the removal of pods could help. */
  readonly nodes: readonly NodeInfo[];
  /** Index of the first node to look at. */
  readonly offset: number;
  /** So many candidates are enough, if a budget allows one of them at least. */
  readonly enough: number;
}

export interface Candidates {
  /** Those that overdraw no budget first. */
  readonly candidates: readonly Candidate[];
  /** Why there is none on the other nodes that were looked at. */
  readonly failures: ReadonlyMap<string, readonly Rejection[]>;
}

export function findCandidates(search: CandidateSearch): Candidates {
  const { handle, nodes, offset, enough, known } = search;
  const state = search.state.clone();
  const harmless: Candidate[] = [];
  const violating: Candidate[] = [];
  const failures = new Map<string, readonly Rejection[]>();
  for (let i = 0; i < nodes.length; i++) {
    if (harmless.length > 0 && harmless.length + violating.length >= enough) break;
    const node = nodes[(offset + i) % nodes.length] as NodeInfo;
    const nominated = handle.nominator.on(node.name);
    let outcome = known?.find(node, nominated);
    if (outcome === undefined) {
      outcome = dryRun(search, state, node);
      known?.keep(node, nominated, outcome);
    }
    if (!('victims' in outcome)) failures.set(node.name, outcome);
    else (outcome.violations === 0 ? harmless : violating).push(outcome);
  }
  return { candidates: [...harmless.slice(0, enough), ...violating.slice(0, enough)], failures };
}

/** As few and as unimportant pods of the node as possible; why not, if the pod does not fit even without them all. */
function dryRun({ handle, pod, budgets }: CandidateSearch, state: CycleState, node: NodeInfo): DryRunOutcome {
  const priority = priorityOf(pod);
  const lower: Pod[] = [];
  for (const other of node.pods.values()) if (priorityOf(other) < priority) lower.push(other);
  if (lower.length === 0) return NO_VICTIMS;
  const trial = node.clone();
  const remove = (victim: Pod): void => {
    trial.removePod(victim.metadata.uid ?? '');
    handle.removePod(state, pod, victim, trial);
  };
  const add = (victim: Pod): void => {
    trial.addPod(victim);
    handle.addPod(state, pod, victim, trial);
  };
  for (const victim of lower) remove(victim);
  const rejections = handle.runFilters(state, pod, trial);
  if (rejections !== undefined) {
    for (const victim of lower) add(victim);
    return rejections;
  }
  const { violating, others } = budgets.split(lower.sort(byImportance));
  const victims: Pod[] = [];
  let violations = 0;
  const spare = (candidate: Pod): boolean => {
    add(candidate);
    if (handle.runFilters(state, pod, trial) === undefined) return true;
    remove(candidate);
    victims.push(candidate);
    return false;
  };
  // Those whose budget has nothing left are spared first, then the most important.
  for (const candidate of violating) if (!spare(candidate)) violations++;
  for (const candidate of others) spare(candidate);
  for (const victim of victims) add(victim);
  // What was in the way is gone by itself: nobody has to go for it.
  if (victims.length === 0)
    return [{ reason: `expected at least one victim pod on node "${node.name}"`, unresolvable: true }];
  if (violating.length > 0) victims.sort(byImportance);
  return { nodeName: node.name, victims, violations };
}
