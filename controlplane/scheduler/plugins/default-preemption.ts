/**
 * Makes less important pods go when a pod fits nowhere. Source: upstream plugin DefaultPreemption, 1.36; kubernetes.io/docs, "Pod Priority and
 * Preemption".
 *
 * Which pods go, and from where, is decided in the cycle that found no node; they are sent away beside the next decisions.
 */
import { randomInt } from 'node:crypto';
import { podDisruptionBudgets } from '../../../machinery/client/resource.ts';
import { priorityOf } from '../../../machinery/meta/pod-priority.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { CycleState } from '../framework/cycle-state.ts';
import type { Diagnosis, Plugin, PostFilterResult, Rejection } from '../framework/framework.ts';
import type { Handle } from '../framework/handle.ts';
import type { NodeInfo } from '../framework/node-info.ts';
import type { Snapshot } from '../framework/snapshot.ts';
import { DisruptionBudgets } from '../plan/disruption-budgets.ts';
import { explainRejections } from '../plan/explain-rejections.ts';
import { leastHarm, type Candidate } from '../plan/preemption-candidates.ts';
import { askExtenders } from '../preemption/ask-extenders.ts';
import { DryRunMemory } from '../preemption/dry-run-memory.ts';
import { Eviction, REASON } from '../preemption/eviction.ts';
import { findCandidates } from '../preemption/find-candidates.ts';
import { pluginArgs } from './plugin-args.ts';

const NAME = 'DefaultPreemption';
const NOT_HELPFUL: readonly Rejection[] = [{ reason: 'Preemption is not helpful for scheduling', unresolvable: true }];

/** @param chooseOffset an index below its argument: where looking for candidates begins */
export function defaultPreemption(
  args: unknown,
  handle: Handle,
  chooseOffset: (nodes: number) => number = randomInt,
): Plugin {
  const { minCandidateNodesPercentage, minCandidateNodesAbsolute } = pluginArgs(NAME, args);
  const budgets = handle.informers.informer(podDisruptionBudgets).lister;
  const eviction = new Eviction(NAME, handle);
  const memory = new DryRunMemory();

  const find = (state: CycleState, pod: Pod, nodes: readonly NodeInfo[]) => {
    const share = Math.floor((nodes.length * minCandidateNodesPercentage) / 100);
    const current = budgets.list();
    return findCandidates({
      handle,
      pod,
      state,
      budgets: new DisruptionBudgets(current),
      known: memory.of(pod, handle.filtersAsked(state), current),
      nodes,
      offset: nodes.length === 0 ? 0 : chooseOffset(nodes.length),
      enough: Math.min(nodes.length, Math.max(share, minCandidateNodesAbsolute)),
    });
  };
  const nominate = (pod: Pod, best: Candidate): PostFilterResult => ({
    nominatedNodeName: best.nodeName,
    victims: best.victims.length,
    carryOut: signal => eviction.carryOut(pod, best, signal),
  });
  /** Room that was made for it before is of no use to it any more, also where that could not be written. */
  const nowhere = (pod: Pod, message: string): PostFilterResult => {
    const kept = handle.nominator.nodeOf(pod.metadata.uid ?? '') ?? pod.status?.nominatedNodeName ?? '';
    return {
      message: `preemption: ${message}`,
      ...(kept === ''
        ? {}
        : { nominatedNodeName: '', carryOut: (signal: AbortSignal) => eviction.clearNomination(pod, signal) }),
    };
  };
  /** Each call ends by its own time-out. */
  const withExtenders = async (pod: Pod, candidates: readonly Candidate[]) => {
    const asked = handle.extenders.filter(extender => extender.canPreempt && extender.isInterested(pod));
    return askExtenders(asked, pod, candidates, {
      snapshot: () => handle.snapshot(),
      logger: handle.logger,
      signal: new AbortController().signal,
    });
  };

  return {
    name: NAME,
    postFilter(state, pod, diagnosis) {
      const snapshot = handle.snapshot();
      const forbidden = eviction.isRunning(pod)
        ? 'waiting for the preemption for this pod to be finished'
        : whyNot(pod, snapshot, diagnosis);
      if (forbidden !== undefined) return { message: `preemption: ${forbidden}` };
      const potential = snapshot.nodes.filter(({ name }) => mayHelp(diagnosis.byNode.get(name)));
      const { candidates, failures } = find(state, pod, potential);
      if (candidates.length === 0) {
        const all = snapshot.nodes.map(({ name }) => [name, failures.get(name) ?? NOT_HELPFUL] as const);
        return nowhere(pod, explainRejections(snapshot.nodes.length, new Map(all)));
      }
      if (!handle.extenders.some(extender => extender.canPreempt && extender.isInterested(pod)))
        return nominate(pod, leastHarm(candidates) as Candidate);
      return withExtenders(pod, candidates).then(left => {
        const best = leastHarm(left);
        return best === undefined ? { message: 'preemption: no candidate node for preemption' } : nominate(pod, best);
      });
    },
  };
}

/** Whether other pods' going could help on a node that turned the pod down for these reasons. */
function mayHelp(rejections: readonly Rejection[] | undefined): boolean {
  return rejections !== undefined && !rejections.some(({ unresolvable }) => unresolvable);
}

/** Whether the pod may make others go at all; if not, why. */
function whyNot(pod: Pod, snapshot: Snapshot, { byNode }: Diagnosis): string | undefined {
  if (pod.spec.preemptionPolicy === 'Never') return 'not eligible due to preemptionPolicy=Never.';
  const nodeName = pod.status?.nominatedNodeName ?? '';
  if (nodeName === '') return undefined;
  // Nothing that goes there will help any more.
  if (byNode.get(nodeName)?.some(({ unresolvable }) => unresolvable) === true) return undefined;
  for (const other of snapshot.node(nodeName)?.pods.values() ?? [])
    if (priorityOf(other) < priorityOf(pod) && isGoingForUs(other))
      return 'not eligible due to a terminating pod on the nominated node.';
  return undefined;
}

function isGoingForUs({ metadata, status }: Pod): boolean {
  if (metadata.deletionTimestamp === undefined) return false;
  const target = status?.conditions?.find(({ type }) => type === 'DisruptionTarget');
  return target?.status === 'True' && target.reason === REASON;
}
