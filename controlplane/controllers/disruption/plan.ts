/**
 * What a PodDisruptionBudget allows at the moment. Pure. Source: upstream `pkg/controller/disruption/disruption.go`.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { Condition } from '../../../proto/api/meta-v1.ts';
import type { PodDisruptionBudget, PodDisruptionBudgetStatus } from '../../../proto/api/policy-v1.ts';
import { scaledValue } from '../../../machinery/meta/int-or-string.ts';
import { findCondition, setCondition } from '../../../machinery/meta/object.ts';
import { formatTime, parseTime } from '../../../machinery/meta/time.ts';
import { isPodActive, isPodReady } from '../runtime/plan/pod-state.ts';

/** An eviction that was allowed and that no deletion followed for so long did not happen. */
const DISRUPTED_FOR_MS = 2 * 60_000;
const ALLOWED = 'DisruptionAllowed';

export interface BudgetPlan {
  status: PodDisruptionBudgetStatus;
  /** When something changes that no event tells: an eviction that did not happen is forgotten. */
  afterMs: number | undefined;
  /** Pods whose eviction was allowed and did not come. */
  notDeleted: Pod[];
}

/** Whether the budget counts by what the pods' controllers want, rather than by the pods that there are. */
export function needsExpectedScale({ spec }: PodDisruptionBudget): boolean {
  return spec.maxUnavailable !== undefined || typeof spec.minAvailable === 'string';
}

/**
 * @param pods all that the budget selects
 * @param expectedScale how many pods their controllers want, where `needsExpectedScale` asks for it
 */
export function planBudget(
  budget: PodDisruptionBudget,
  pods: readonly Pod[],
  expectedScale: number,
  nowMs: number,
): BudgetPlan {
  const { expectedPods, desiredHealthy } = desired(budget, pods.length, expectedScale);
  const { disruptedPods, notDeleted, afterMs } = stillDisrupted(budget, pods, nowMs);
  const healthy = pods.filter(
    pod => isPodActive(pod) && disruptedPods[pod.metadata.name ?? ''] === undefined && isPodReady(pod),
  );
  const spare = Math.max(0, healthy.length - desiredHealthy);
  const disruptionsAllowed = expectedPods === 0 ? 0 : spare;
  const status: PodDisruptionBudgetStatus = {
    observedGeneration: budget.metadata.generation,
    disruptionsAllowed,
    currentHealthy: healthy.length,
    desiredHealthy,
    expectedPods,
    conditions: conditionsOf(
      budget,
      disruptionsAllowed > 0 ? ['True', 'SufficientPods', ''] : ['False', 'InsufficientPods', ''],
      nowMs,
    ),
  };
  if (Object.keys(disruptedPods).length > 0) status.disruptedPods = disruptedPods;
  return { status, afterMs, notDeleted };
}

/** Nothing may be disrupted while nobody knows how many pods there should be. */
export function failSafeStatus(budget: PodDisruptionBudget, message: string, nowMs: number): PodDisruptionBudgetStatus {
  return {
    ...budget.status,
    observedGeneration: budget.metadata.generation,
    disruptionsAllowed: 0,
    conditions: conditionsOf(budget, ['False', 'SyncFailed', message], nowMs),
  };
}

/** A pod that an eviction marked, and that nobody deleted: since when it says so in vain, `undefined` where it does not. */
export function staleDisruptionMs(pod: Pod, nowMs: number): number | undefined {
  const target = findCondition(pod.status?.conditions, 'DisruptionTarget');
  if (target?.status !== 'True' || !isPodActive(pod)) return undefined;
  return (parseTime(target.lastTransitionTime ?? '') ?? nowMs) + DISRUPTED_FOR_MS - nowMs;
}

function desired(
  { spec }: PodDisruptionBudget,
  selected: number,
  expectedScale: number,
): { expectedPods: number; desiredHealthy: number } {
  if (spec.maxUnavailable !== undefined) {
    const unavailable = scaledValue(spec.maxUnavailable, expectedScale, 'up') ?? 0;
    return { expectedPods: expectedScale, desiredHealthy: Math.max(0, expectedScale - unavailable) };
  }
  const minAvailable = spec.minAvailable ?? 0;
  if (typeof minAvailable === 'number') return { expectedPods: selected, desiredHealthy: minAvailable };
  return { expectedPods: expectedScale, desiredHealthy: scaledValue(minAvailable, expectedScale, 'up') ?? 0 };
}

/** The pods that were allowed to go and are neither gone, nor going, nor given up. */
function stillDisrupted(
  budget: PodDisruptionBudget,
  pods: readonly Pod[],
  nowMs: number,
): { disruptedPods: Record<string, string>; notDeleted: Pod[]; afterMs: number | undefined } {
  const disruptedPods: Record<string, string> = {};
  const notDeleted: Pod[] = [];
  let nextMs = Infinity;
  const byName = new Map(pods.map(pod => [pod.metadata.name ?? '', pod]));
  for (const [name, since] of Object.entries(budget.status?.disruptedPods ?? {})) {
    const pod = byName.get(name);
    if (pod === undefined || pod.metadata.deletionTimestamp !== undefined) continue;
    const endsMs = (parseTime(since) ?? 0) + DISRUPTED_FOR_MS;
    if (endsMs <= nowMs) notDeleted.push(pod);
    else {
      disruptedPods[name] = since;
      nextMs = Math.min(nextMs, endsMs);
    }
  }
  return { disruptedPods, notDeleted, afterMs: nextMs === Infinity ? undefined : nextMs - nowMs };
}

function conditionsOf(
  budget: PodDisruptionBudget,
  [status, reason, message]: [Condition['status'], string, string],
  nowMs: number,
): Condition[] {
  const now = formatTime(nowMs);
  const observedGeneration = budget.metadata.generation;
  const condition: Condition = { type: ALLOWED, status, reason, message, observedGeneration, lastTransitionTime: now };
  const old = findCondition(budget.status?.conditions, ALLOWED);
  const kept = { ...condition, lastTransitionTime: old?.lastTransitionTime ?? now };
  return [...setCondition(budget.status?.conditions, kept, now)];
}
