/**
 * What a ReplicaSet needs: pods to make, pods to delete, and its status. Pure.
 * Source: upstream `pkg/controller/replicaset`, and `pkg/controller/controller_utils.go` for the order of deletion.
 */
import type { ReplicaSet, ReplicaSetStatus } from '../../../proto/api/apps-v1.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import { setCondition } from '../../../machinery/meta/object.ts';
import { selectorFromSet } from '../../../machinery/meta/label-selector.ts';
import { formatTime, parseTime } from '../../../machinery/meta/time.ts';
import { availableAtMs, isPodActive, isPodReady, isPodTerminal, readySinceMs } from '../runtime/plan/pod-state.ts';

/** A surge of more than this many writes waits for the next run. */
const BURST_REPLICAS = 500;
const DELETION_COST = 'controller.kubernetes.io/pod-deletion-cost';

export interface ReplicaSetPlan {
  create: number;
  delete: Pod[];
}

/**
 * @param pods all that the set owns
 * @param related pods of the sets with the same owner, for spreading deletions over nodes
 */
export function planReplicas(rs: ReplicaSet, pods: readonly Pod[], related: readonly Pod[]): ReplicaSetPlan {
  if (rs.metadata.deletionTimestamp !== undefined) return { create: 0, delete: [] };
  const active = pods.filter(isPodActive);
  const missing = (rs.spec?.replicas ?? 1) - active.length;
  if (missing >= 0) return { create: Math.min(missing, BURST_REPLICAS), delete: [] };
  const surplus = Math.min(-missing, BURST_REPLICAS);
  return { create: 0, delete: inDeletionOrder(active, related).slice(0, surplus) };
}

/** The pods that are least missed first. */
export function inDeletionOrder(pods: readonly Pod[], related: readonly Pod[]): Pod[] {
  const onNode = new Map<string, number>();
  for (const pod of related) {
    if (!isPodActive(pod)) continue;
    const node = pod.spec?.nodeName ?? '';
    onNode.set(node, (onNode.get(node) ?? 0) + 1);
  }
  const ranked = pods.map(pod => ({ pod, keys: deletionKeys(pod, onNode.get(pod.spec?.nodeName ?? '') ?? 0) }));
  ranked.sort((a, b) => compareKeys(a.keys, b.keys));
  return ranked.map(({ pod }) => pod);
}

const PHASES: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

/** Compared from left to right; the smaller goes first. */
function deletionKeys(pod: Pod, sameNode: number): number[] {
  const restarts = (pod.status?.containerStatuses ?? []).map(status => status.restartCount ?? 0);
  const cost = Number(pod.metadata.annotations?.[DELETION_COST] ?? 0);
  return [
    pod.spec?.nodeName === undefined || pod.spec.nodeName === '' ? 0 : 1,
    PHASES[pod.status?.phase ?? ''] ?? 0,
    isPodReady(pod) ? 1 : 0,
    Number.isFinite(cost) ? cost : 0,
    -sameNode,
    -(readySinceMs(pod) ?? 0),
    -Math.max(0, ...restarts),
    -(parseTime(pod.metadata.creationTimestamp ?? '') ?? 0),
  ];
}

function compareKeys(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
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
