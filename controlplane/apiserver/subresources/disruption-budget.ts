/**
 * Asks a pod's disruption budget whether the pod may go, and notes in its status that it goes: the controller that keeps the budget
 * counts it as gone before it is.
 * Source: kubernetes `pkg/registry/core/pod/storage/eviction.go` (checkAndDecrement), 1.36.
 */
import { compileLabelSelector, validateLabelSelector } from '../../../machinery/meta/label-selector.ts';
import { FieldPath } from '../../../machinery/meta/field-path.ts';
import { isConditionTrue, setCondition } from '../../../machinery/meta/object.ts';
import { forbidden, StatusError } from '../../../machinery/meta/status-error.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { Condition } from '../../../proto/api/meta-v1.ts';
import type { PodDisruptionBudget, PodDisruptionBudgetStatus } from '../../../proto/api/policy-v1.ts';
import { timestamp } from '../registry/object-meta.ts';
import type { ResourceStorage } from '../storage/storage.ts';

/** As many disrupted pods may be waiting for the disruption controller. */
const MAX_DISRUPTED_PODS = 2000;
const REFUSED = "Cannot evict pod as it would violate the pod's disruption budget.";
const RESOURCE = { group: 'policy', resource: 'poddisruptionbudget' };

/** `unhealthy`: the pod counts for nothing in `budget`, as long as it stays as it is. */
export type BudgetAnswer = { readonly kind: 'may' } | { readonly kind: 'unhealthy'; readonly budget: string };

/** @throws StatusError TooManyRequests when the pod must stay for now; InternalError when several budgets select it */
export async function askBudget(
  storage: ResourceStorage<PodDisruptionBudget>,
  pod: Pod,
  nowMs: number,
  dryRun: boolean,
): Promise<BudgetAnswer> {
  const namespace = pod.metadata.namespace ?? '';
  const { items } = await storage.list({ namespace, predicate: budget => selects(budget, pod) });
  if (items.length > 1) {
    const message = 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.';
    throw new StatusError('InternalError', 500, message);
  }
  const found = items[0];
  if (found === undefined) return { kind: 'may' };
  if (isUnhealthyAndFree(pod, found.object)) return { kind: 'unhealthy', budget: found.name };
  const take = (current: PodDisruptionBudget): PodDisruptionBudget => disrupted(current, pod, timestamp(nowMs));
  if (dryRun) take(found.object);
  else await storage.guaranteedUpdate(namespace, found.name, undefined, take);
  return { kind: 'may' };
}

/** 429: the budget has not caught up with what happened. */
export function stillProcessed(budget: string): StatusError {
  return refusal(`The disruption budget ${budget} is still being processed by the server.`, 10);
}

function selects({ spec }: PodDisruptionBudget, pod: Pod): boolean {
  const selector = spec?.selector;
  // A selector that is malformed, or selects everything, protects nothing.
  if (selector === undefined || validateLabelSelector(selector, FieldPath.of('spec', 'selector')).length > 0)
    return false;
  const compiled = compileLabelSelector(selector);
  return !compiled.isEmpty && compiled.matches(pod.metadata.labels);
}

function isUnhealthyAndFree(pod: Pod, { spec, status }: PodDisruptionBudget): boolean {
  if (isConditionTrue(pod.status?.conditions, 'Ready')) return false;
  if (spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true;
  const { currentHealthy = 0, desiredHealthy = 0 } = status ?? {};
  return currentHealthy >= desiredHealthy && desiredHealthy > 0;
}

function disrupted(budget: PodDisruptionBudget, pod: Pod, now: string): PodDisruptionBudget {
  const { metadata, status } = budget;
  const name = metadata.name ?? '';
  if ((status?.observedGeneration ?? 0) < (metadata.generation ?? 0)) throw stillProcessed(name);
  const allowed = status?.disruptionsAllowed ?? 0;
  if (allowed < 0) throw forbidden(RESOURCE, name, 'pdb disruptions allowed is negative');
  const waiting = { ...status?.disruptedPods };
  if (Object.keys(waiting).length > MAX_DISRUPTED_PODS) {
    const why = 'DisruptedPods map too big - too many evictions not confirmed by PDB controller';
    throw forbidden(RESOURCE, name, why);
  }
  if (allowed === 0) {
    const { desiredHealthy = 0, currentHealthy = 0 } = status ?? {};
    throw refusal(
      `The disruption budget ${name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`,
      0,
    );
  }
  waiting[pod.metadata.name ?? ''] = now;
  const next = { ...status, disruptionsAllowed: allowed - 1, disruptedPods: waiting } as PodDisruptionBudgetStatus;
  if (allowed === 1) next.conditions = exhausted(next, metadata.generation ?? 0, now);
  return { ...budget, status: next };
}

function exhausted({ conditions }: PodDisruptionBudgetStatus, generation: number, now: string): Condition[] {
  const condition: Condition = {
    type: 'DisruptionAllowed',
    status: 'False',
    reason: 'InsufficientPods',
    message: '',
    observedGeneration: generation,
    lastTransitionTime: now,
  };
  return [...setCondition(conditions, condition, now)];
}

function refusal(cause: string, retryAfterSeconds: number): StatusError {
  return new StatusError('TooManyRequests', 429, REFUSED, {
    causes: [{ reason: 'DisruptionBudget', message: cause }],
    ...(retryAfterSeconds > 0 ? { retryAfterSeconds } : {}),
  });
}
