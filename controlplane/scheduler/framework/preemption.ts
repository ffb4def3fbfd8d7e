/**
 * Which pods of lower priority would have to go so that a pod fits somewhere. Pure.
 * Source: kubernetes.io/docs, "Pod Priority and Preemption"; upstream plugin DefaultPreemption.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { PodDisruptionBudget } from '../../../proto/api/policy-v1.ts';
import { compileLabelSelector } from '../../../machinery/meta/label-selector.ts';
import { parseTime } from '../../../machinery/meta/time.ts';
import { explainRejections } from '../plan/explain-rejections.ts';
import { CycleState } from './cycle-state.ts';
import type { Rejection } from './framework.ts';
import type { NodeInfo } from './node-info.ts';
import type { Nominator } from './nominator.ts';
import type { PluginsByPoint } from './profile.ts';
import { runFilters } from './run-filters.ts';
import { snapshotOf, type Snapshot } from './snapshot.ts';
import { priorityOf } from '../../../machinery/meta/pod-priority.ts';

export interface PreemptionQuestion {
  readonly plugins: PluginsByPoint;
  readonly pod: Pod;
  readonly snapshot: Snapshot;
  /** Why the pod fits on no node now. */
  readonly rejections: ReadonlyMap<string, readonly Rejection[]>;
  readonly budgets: readonly PodDisruptionBudget[];
  readonly nominator: Nominator;
}

export type PreemptionAnswer =
  | { kind: 'preempt'; nodeName: string; victims: Pod[] }
  /** `message` tells it in the words that follow `preemption:` in the pod's event. */
  | { kind: 'none'; message: string };

interface Candidate {
  nodeName: string;
  /** The most important first. */
  victims: Pod[];
  violations: number;
}

const NOT_HELPFUL: Rejection = { reason: 'Preemption is not helpful for scheduling', unresolvable: true };
const NO_VICTIMS: Rejection = { reason: 'No preemption victims found for incoming pod', unresolvable: true };
/** So many places are enough to choose from. */
const MIN_CANDIDATES = 100;
const CANDIDATE_SHARE = 0.1;

/** Whether the pod may make others go at all; if not, why. */
export function preemptionForbidden(pod: Pod, snapshot: Snapshot): string | undefined {
  if (pod.spec.preemptionPolicy === 'Never') return 'not eligible due to preemptionPolicy=Never.';
  const nominated = snapshot.nodes.find(node => node.name === pod.status?.nominatedNodeName);
  const isGoing = [...(nominated?.pods.values() ?? [])].some(
    other => other.metadata.deletionTimestamp !== undefined && priorityOf(other) < priorityOf(pod),
  );
  return isGoing ? 'not eligible due to a terminating pod on the nominated node.' : undefined;
}

export function planPreemption(question: PreemptionQuestion): PreemptionAnswer {
  const { pod, snapshot, rejections } = question;
  const forbidden = preemptionForbidden(pod, snapshot);
  if (forbidden !== undefined) return { kind: 'none', message: forbidden };
  const enough = Math.max(MIN_CANDIDATES, Math.floor(snapshot.nodes.length * CANDIDATE_SHARE));
  const candidates: Candidate[] = [];
  const failures = new Map<string, Rejection[]>();
  for (const node of snapshot.nodes) {
    if (candidates.length >= enough) break;
    if (rejections.get(node.name)?.some(rejection => rejection.unresolvable) !== false) {
      failures.set(node.name, [NOT_HELPFUL]);
      continue;
    }
    const candidate = victimsOn(question, node);
    if (candidate === undefined) failures.set(node.name, [NO_VICTIMS]);
    else candidates.push(candidate);
  }
  const [best] = candidates.sort(byLeastHarm);
  if (best === undefined) return { kind: 'none', message: explainRejections(snapshot.nodes.length, failures) };
  return { kind: 'preempt', nodeName: best.nodeName, victims: best.victims };
}

/** As few and as unimportant pods of the node as possible; undefined if the pod fits not even without them all. */
function victimsOn(question: PreemptionQuestion, node: NodeInfo): Candidate | undefined {
  const { pod, budgets } = question;
  const lower = [...node.pods.values()].filter(other => priorityOf(other) < priorityOf(pod));
  if (lower.length === 0) return undefined;
  const trial = node.clone();
  for (const victim of lower) trial.removePod(victim.metadata.uid ?? '');
  if (!fitsWith(question, trial)) return undefined;
  const { violating, others } = splitByBudgets(lower.sort(byImportance), budgets);
  const victims: Pod[] = [];
  let violations = 0;
  // Those whose budget has nothing left are spared first, then the most important.
  for (const candidate of [...violating, ...others]) {
    trial.addPod(candidate);
    if (fitsWith(question, trial)) continue;
    trial.removePod(candidate.metadata.uid ?? '');
    victims.push(candidate);
    if (violating.includes(candidate)) violations++;
  }
  return { nodeName: node.name, victims: victims.sort(byImportance), violations };
}

function fitsWith({ plugins, pod, snapshot, nominator }: PreemptionQuestion, trial: NodeInfo): boolean {
  const state = new CycleState();
  const cluster = snapshotOf(snapshot.nodes.map(node => (node.name === trial.name ? trial : node)));
  for (const { plugin } of plugins.preFilter) {
    const answer = plugin.preFilter?.(state, pod, cluster);
    if (answer === 'skip') state.skipFilter.add(plugin.name);
    else if (answer !== undefined) return false;
  }
  return runFilters({ plugins, pod, nominator }, state, trial) === undefined;
}

/** Higher priority first, then older. */
function byImportance(a: Pod, b: Pod): number {
  return priorityOf(b) - priorityOf(a) || startMs(a) - startMs(b);
}

function startMs(pod: Pod): number {
  return parseTime(pod.status?.startTime ?? pod.metadata.creationTimestamp ?? '') ?? Infinity;
}

function splitByBudgets(
  pods: readonly Pod[],
  budgets: readonly PodDisruptionBudget[],
): { violating: Pod[]; others: Pod[] } {
  const left = budgets.map(budget => ({
    budget,
    selector: compileLabelSelector(budget.spec.selector),
    allowed: budget.status?.disruptionsAllowed ?? 0,
  }));
  const violating: Pod[] = [];
  const others: Pod[] = [];
  for (const pod of pods) {
    let violates = false;
    for (const each of left) {
      const { budget, selector } = each;
      if (budget.metadata.namespace !== pod.metadata.namespace || selector.isEmpty) continue;
      if (!selector.matches(pod.metadata.labels)) continue;
      // Its going was granted already.
      if (budget.status?.disruptedPods?.[pod.metadata.name ?? ''] !== undefined) continue;
      each.allowed--;
      violates ||= each.allowed < 0;
    }
    (violates ? violating : others).push(pod);
  }
  return { violating, others };
}

function byLeastHarm(a: Candidate, b: Candidate): number {
  const highest = ({ victims }: Candidate): number => (victims[0] === undefined ? -Infinity : priorityOf(victims[0]));
  // Shifted so that many pods of negative priority do not look cheaper than few.
  const sum = ({ victims }: Candidate): number => victims.reduce((total, pod) => total + priorityOf(pod) + 2 ** 31, 0);
  const earliest = (candidate: Candidate): number =>
    Math.min(...candidate.victims.filter(pod => priorityOf(pod) === highest(candidate)).map(startMs));
  return (
    a.violations - b.violations ||
    order(highest(a), highest(b)) ||
    sum(a) - sum(b) ||
    a.victims.length - b.victims.length ||
    order(earliest(b), earliest(a))
  );
}

/** As a difference, also of infinities. */
function order(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
