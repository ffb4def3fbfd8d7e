/**
 * How many pods each ReplicaSet of a Deployment should have next. Pure.
 * Source: upstream `pkg/controller/deployment/{rolling,recreate,sync}.go`.
 */
import type { Deployment, ReplicaSet } from '../../../../proto/api/apps-v1.ts';
import { scaledValue } from '../../../../machinery/meta/int-or-string.ts';

/** A wish to change a set's size. */
export interface Resize {
  set: ReplicaSet;
  replicas: number;
}

const MAX_REPLICAS = 'deployment.kubernetes.io/max-replicas';
const DESIRED_REPLICAS = 'deployment.kubernetes.io/desired-replicas';

export function replicasOf(set: ReplicaSet): number {
  return set.spec?.replicas ?? 1;
}

function desiredOf(deployment: Deployment): number {
  return deployment.spec?.replicas ?? 1;
}

function sum(sets: readonly ReplicaSet[], of: (set: ReplicaSet) => number): number {
  return sets.reduce((total, set) => total + of(set), 0);
}

const availableOf = (set: ReplicaSet): number => set.status?.availableReplicas ?? 0;

function isRolling(deployment: Deployment): boolean {
  return deployment.spec?.strategy?.type !== 'Recreate';
}

/** Pods above and below the wish that a rollout may have; both zero for one of no pods alone. */
export function fencepostsOf(deployment: Deployment): { surge: number; unavailable: number } {
  if (!isRolling(deployment)) return { surge: 0, unavailable: 0 };
  const { maxSurge = '25%', maxUnavailable = '25%' } = deployment.spec?.strategy?.rollingUpdate ?? {};
  const desired = desiredOf(deployment);
  const surge = scaledValue(maxSurge, desired, 'up') ?? 0;
  const unavailable = scaledValue(maxUnavailable, desired, 'down') ?? 0;
  // Neither above nor below would mean that nothing ever moves.
  return { surge, unavailable: Math.min(surge === 0 && unavailable === 0 ? 1 : unavailable, desired) };
}

/** The most pods that a Deployment may have at once. */
export function maxReplicasOf(deployment: Deployment): number {
  return desiredOf(deployment) + fencepostsOf(deployment).surge;
}

/** The size that the new set may have now, given all others. */
export function newSetReplicas(deployment: Deployment, sets: readonly ReplicaSet[], current: number): number {
  const desired = desiredOf(deployment);
  if (!isRolling(deployment)) return desired;
  const room = maxReplicasOf(deployment) - sum(sets, replicasOf);
  return room <= 0 ? current : current + Math.min(room, Math.max(0, desired - current));
}

/** One step of a rolling update: the new set up if it can, else old sets down. */
export function planRolling(deployment: Deployment, newSet: ReplicaSet, oldSets: readonly ReplicaSet[]): Resize[] {
  const desired = desiredOf(deployment);
  const current = replicasOf(newSet);
  const all = [newSet, ...oldSets];
  const next = current > desired ? desired : current === desired ? current : newSetReplicas(deployment, all, current);
  if (next !== current) return [{ set: newSet, replicas: next }];
  return planOldDown(deployment, newSet, oldSets);
}

function planOldDown(deployment: Deployment, newSet: ReplicaSet, oldSets: readonly ReplicaSet[]): Resize[] {
  if (sum(oldSets, replicasOf) === 0) return [];
  const all = [newSet, ...oldSets];
  const minAvailable = desiredOf(deployment) - fencepostsOf(deployment).unavailable;
  const newUnavailable = replicasOf(newSet) - availableOf(newSet);
  const room = sum(all, replicasOf) - minAvailable - newUnavailable;
  if (room <= 0) return [];
  const sizes = new Map(oldSets.map(set => [set, replicasOf(set)]));
  const take = (set: ReplicaSet, count: number): void => void sizes.set(set, (sizes.get(set) ?? 0) - count);
  // Pods that are not available go first: nobody misses them.
  let cleaned = 0;
  for (const set of oldSets) {
    const count = Math.min(room - cleaned, Math.max(0, replicasOf(set) - availableOf(set)));
    take(set, count);
    cleaned += count;
  }
  let left = sum(all, availableOf) - minAvailable;
  for (const set of oldSets) {
    const count = Math.min(Math.max(0, left), sizes.get(set) ?? 0);
    take(set, count);
    left -= count;
  }
  return changed(sizes);
}

/** Recreate: all old sets to nothing. */
export function planRecreateDown(oldSets: readonly ReplicaSet[]): Resize[] {
  return oldSets.filter(set => replicasOf(set) > 0).map(set => ({ set, replicas: 0 }));
}

/** Whether the user changed the size since the sets were sized last. */
export function isScaling(deployment: Deployment, sets: readonly ReplicaSet[]): boolean {
  return sets.some(set => {
    const remembered = set.metadata.annotations?.[DESIRED_REPLICAS];
    return replicasOf(set) > 0 && remembered !== undefined && Number(remembered) !== desiredOf(deployment);
  });
}

/** Sizes after the user changed the Deployment's, in the middle of a rollout too: in proportion to what the sets have. */
export function planScale(
  deployment: Deployment,
  newSet: ReplicaSet | undefined,
  oldSets: readonly ReplicaSet[],
): Resize[] {
  const desired = desiredOf(deployment);
  const all = newSet === undefined ? [...oldSets] : [...oldSets, newSet];
  const active = all.filter(set => replicasOf(set) > 0);
  if (active.length <= 1) {
    const only = active[0] ?? newSet ?? oldSets.at(-1);
    return only === undefined || replicasOf(only) === desired ? [] : [{ set: only, replicas: desired }];
  }
  if (newSet !== undefined && isSaturated(newSet, desired)) return planRecreateDown(oldSets);
  return isRolling(deployment) ? planProportional(deployment, active) : [];
}

function isSaturated(newSet: ReplicaSet, desired: number): boolean {
  const remembered = Number(newSet.metadata.annotations?.[DESIRED_REPLICAS] ?? NaN);
  return remembered === desired && replicasOf(newSet) === desired && availableOf(newSet) === desired;
}

function planProportional(deployment: Deployment, active: readonly ReplicaSet[]): Resize[] {
  const allowed = desiredOf(deployment) > 0 ? maxReplicasOf(deployment) : 0;
  const toAdd = allowed - sum(active, replicasOf);
  const age = (set: ReplicaSet): string => `${set.metadata.creationTimestamp ?? ''} ${set.metadata.name ?? ''}`;
  const newerFirst = toAdd > 0;
  const ordered = [...active].sort((a, b) => {
    if (replicasOf(a) !== replicasOf(b)) return replicasOf(b) - replicasOf(a);
    return age(a) < age(b) === newerFirst ? 1 : -1;
  });
  const sizes = new Map<ReplicaSet, number>();
  let added = 0;
  for (const set of ordered) {
    const share = toAdd === 0 || toAdd === added ? 0 : proportionOf(set, deployment);
    const part = toAdd > 0 ? Math.min(share, toAdd - added) : Math.max(share, toAdd - added);
    sizes.set(set, replicasOf(set) + part);
    added += part;
  }
  const first = ordered[0];
  if (first !== undefined) sizes.set(first, Math.max(0, (sizes.get(first) ?? 0) + toAdd - added));
  return changed(sizes);
}

/** How much a set grows or shrinks when the whole goes from what it remembers to what it is now. */
function proportionOf(set: ReplicaSet, deployment: Deployment): number {
  if (desiredOf(deployment) === 0) return -replicasOf(set);
  const remembered = Number(set.metadata.annotations?.[MAX_REPLICAS] ?? 0);
  const before = remembered > 0 ? remembered : (deployment.status?.replicas ?? 0);
  if (before === 0) return 0;
  return Math.round((replicasOf(set) * maxReplicasOf(deployment)) / before) - replicasOf(set);
}

function changed(sizes: ReadonlyMap<ReplicaSet, number>): Resize[] {
  return [...sizes].filter(([set, size]) => size !== replicasOf(set)).map(([set, replicas]) => ({ set, replicas }));
}
