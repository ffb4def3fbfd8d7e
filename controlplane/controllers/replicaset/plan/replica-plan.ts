/**
 * What a ReplicaSet needs: pods to make, pods to delete, and its status. Pure.
 * Source: upstream `pkg/controller/replicaset`.
 */
import type { ReplicaSet, ReplicaSetStatus } from '../../../../proto/api/apps-v1.ts';
import type { Pod } from '../../../../proto/api/core-v1.ts';
import { setCondition } from '../../../../machinery/meta/object.ts';
import { selectorFromSet } from '../../../../machinery/meta/label-selector.ts';
import { formatTime } from '../../../../machinery/meta/time.ts';
import { availableAtMs, isPodActive, isPodTerminal } from '../../runtime/plan/pod-state.ts';
import { inDeletionOrder } from './deletion-order.ts';

/** A surge of more than this many writes waits for the next run. */
const BURST_REPLICAS = 500;

export interface ReplicaSetPlan {
  create: number;
  delete: Pod[];
}

/**
 * @param pods all that the set owns
 * @param related pods of the sets with the same owner, for spreading deletions over nodes
 */
export function planReplicas(
  rs: ReplicaSet,
  pods: readonly Pod[],
  related: () => readonly Pod[],
  nowMs: number,
): ReplicaSetPlan {
  if (rs.metadata.deletionTimestamp !== undefined) return { create: 0, delete: [] };
  const active = pods.filter(isPodActive);
  const missing = (rs.spec?.replicas ?? 1) - active.length;
  if (missing >= 0) return { create: Math.min(missing, BURST_REPLICAS), delete: [] };
  const surplus = Math.min(-missing, BURST_REPLICAS);
  return { create: 0, delete: inDeletionOrder(active, related(), nowMs).slice(0, surplus) };
}

export interface ReplicaSetStatusPlan {
  status: ReplicaSetStatus;
  /** When a ready pod becomes available, which no event will tell. */
  afterMs: number | undefined;
}

/**
 * @param failure what went wrong when pods were made or deleted
 */
export function planStatus(
  rs: ReplicaSet,
  pods: readonly Pod[],
  failure: { reason: 'FailedCreate' | 'FailedDelete'; message: string } | undefined,
  nowMs: number,
): ReplicaSetStatusPlan {
  const labeled = selectorFromSet(rs.spec?.template?.metadata?.labels);
  const active = pods.filter(isPodActive);
  const minReadySeconds = rs.spec?.minReadySeconds ?? 0;
  let [ready, available, fullyLabeled, nextMs] = [0, 0, 0, Infinity];
  for (const pod of active) {
    if (labeled.matches(pod.metadata.labels)) fullyLabeled++;
    const atMs = availableAtMs(pod, minReadySeconds);
    if (atMs === undefined) continue;
    ready++;
    if (atMs <= nowMs) available++;
    else nextMs = Math.min(nextMs, atMs);
  }
  const terminating = pods.filter(pod => pod.metadata.deletionTimestamp !== undefined && !isPodTerminal(pod)).length;
  const status: ReplicaSetStatus = {
    replicas: active.length,
    fullyLabeledReplicas: fullyLabeled,
    readyReplicas: ready,
    availableReplicas: available,
    terminatingReplicas: terminating,
    observedGeneration: rs.metadata.generation,
  };
  const conditions = planConditions(rs, failure, nowMs);
  if (conditions.length > 0) status.conditions = conditions;
  return { status, afterMs: nextMs === Infinity ? undefined : nextMs - nowMs };
}

function planConditions(
  rs: ReplicaSet,
  failure: { reason: string; message: string } | undefined,
  nowMs: number,
): NonNullable<ReplicaSetStatus['conditions']> {
  const old = rs.status?.conditions ?? [];
  if (failure === undefined) return old.filter(condition => condition.type !== 'ReplicaFailure');
  // An old failure stays as it was told first.
  if (old.some(condition => condition.type === 'ReplicaFailure')) return old;
  const condition = { type: 'ReplicaFailure', status: 'True', ...failure } as const;
  return [...setCondition(old, condition, formatTime(nowMs))];
}
