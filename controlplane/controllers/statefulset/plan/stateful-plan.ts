/**
 * What a StatefulSet needs next: pods to make, pods to delete, and its status. Pure.
 * Source: upstream `pkg/controller/statefulset/stateful_set_control.go`.
 */
import type { StatefulSet, StatefulSetStatus } from '../../../../proto/api/apps-v1.ts';
import type { Pod } from '../../../../proto/api/core-v1.ts';
import { scaledValue } from '../../../../machinery/meta/int-or-string.ts';
import { isDeleting } from '../../../../machinery/meta/object.ts';
import { availableAtMs, isPodReady, isPodTerminal } from '../../runtime/plan/pod-state.ts';
import { REVISION_LABEL } from '../../runtime/plan/revisions.ts';
import { ordinalOf } from './identity.ts';

export interface StatefulView {
  set: StatefulSet;
  pods: readonly Pod[];
  /** Names of ControllerRevisions: what pods below a partition are of, and what the others should be of. */
  currentRevision: string;
  updateRevision: string;
  nowMs: number;
}

export interface StatefulPlan {
  create: { ordinal: number; revision: string }[];
  delete: Pod[];
  /** Those of `delete` that ended by themselves. */
  ended: Pod[];
}

/** The pods that a set wants, by number (undefined: not there), and those it does not want any more, highest number first. */
export function sortPods({ set, pods }: Pick<StatefulView, 'set' | 'pods'>): {
  wanted: { ordinal: number; pod: Pod | undefined }[];
  condemned: Pod[];
} {
  const start = set.spec.ordinals?.start ?? 0;
  const byOrdinal = new Map(pods.map(pod => [ordinalOf(set, pod), pod]));
  const wanted = Array.from({ length: set.spec.replicas ?? 1 }, (_, i) => ({
    ordinal: start + i,
    pod: byOrdinal.get(start + i),
  }));
  const names = new Set(wanted.map(({ pod }) => pod));
  const condemned = pods
    .filter(pod => ordinalOf(set, pod) >= 0 && !names.has(pod))
    .sort((a, b) => ordinalOf(set, b) - ordinalOf(set, a));
  return { wanted, condemned };
}

export function planStateful(view: StatefulView): StatefulPlan {
  const plan: StatefulPlan = { create: [], delete: [], ended: [] };
  if (isDeleting(view.set)) return plan;
  const isOrdered = view.set.spec.podManagementPolicy !== 'Parallel';
  if (isOrdered ? scaleInOrder(view, plan) : scaleAtOnce(view, plan)) roll(view, plan);
  return plan;
}

/** @returns whether every pod is there, serves, and none is too much: only then is there time for an update */
function scaleInOrder(view: StatefulView, plan: StatefulPlan): boolean {
  const { wanted, condemned } = sortPods(view);
  for (const { ordinal, pod } of wanted) {
    if (pod === undefined) {
      plan.create.push({ ordinal, revision: revisionFor(view, ordinal) });
      return false;
    }
    if (isPodTerminal(pod) && !isDeleting(pod)) {
      endedByItself(plan, pod);
      return false;
    }
    // As upstream: a template that never worked has to be put right by hand, its pod deleted.
    if (!isAvailable(view, pod)) return false;
  }
  const [last] = condemned;
  if (last === undefined) return true;
  // All that are wanted serve, so the first that does not is one of these.
  const firstUnavailable = [...condemned].reverse().find(pod => !isAvailable(view, pod));
  if (!isDeleting(last) && (isAvailable(view, last) || last === firstUnavailable)) plan.delete.push(last);
  return false;
}

function scaleAtOnce(view: StatefulView, plan: StatefulPlan): boolean {
  const { wanted, condemned } = sortPods(view);
  for (const { ordinal, pod } of wanted) {
    if (pod === undefined) plan.create.push({ ordinal, revision: revisionFor(view, ordinal) });
    else if (isPodTerminal(pod) && !isDeleting(pod)) endedByItself(plan, pod);
  }
  plan.delete.push(...condemned.filter(pod => !isDeleting(pod)));
  return true;
}

function endedByItself(plan: StatefulPlan, pod: Pod): void {
  plan.delete.push(pod);
  plan.ended.push(pod);
}

/** Deletes what is of the old template, highest number first, as long as few enough pods do not serve. */
function roll(view: StatefulView, plan: StatefulPlan): void {
  const { set } = view;
  if (set.spec.updateStrategy?.type === 'OnDelete') return;
  const replicas = set.spec.replicas ?? 1;
  const { maxUnavailable = 1 } = set.spec.updateStrategy?.rollingUpdate ?? {};
  const allowed = Math.max(1, scaledValue(maxUnavailable, replicas, 'down') ?? 1);
  const wanted = sortPods(view).wanted.reverse();
  const serves = (pod: Pod | undefined): boolean =>
    pod !== undefined && isAvailable(view, pod) && !plan.delete.includes(pod);
  let missing = wanted.filter(({ pod }) => !serves(pod)).length;
  let missingAbove = 0;
  for (const { ordinal, pod } of wanted) {
    if (ordinal < firstUpdated(view) || missingAbove >= allowed) return;
    const isOld = pod !== undefined && revisionOf(pod) !== view.updateRevision;
    if (!isOld || isDeleting(pod) || plan.delete.includes(pod)) {
      if (!serves(pod)) missingAbove++;
      continue;
    }
    // Nobody misses one that does not serve anyway.
    if (serves(pod)) {
      if (missing >= allowed) return;
      missing++;
    }
    plan.delete.push(pod);
    missingAbove++;
  }
}

/** The lowest number that updates reach. */
function firstUpdated({ set }: StatefulView): number {
  return (set.spec.ordinals?.start ?? 0) + (set.spec.updateStrategy?.rollingUpdate?.partition ?? 0);
}

/** Of which revision a pod with this number is made: below a partition of the current one. */
function revisionFor(view: StatefulView, ordinal: number): string {
  if (view.set.spec.updateStrategy?.type === 'OnDelete') return view.updateRevision;
  return ordinal < firstUpdated(view) ? view.currentRevision : view.updateRevision;
}

function revisionOf(pod: Pod): string {
  return pod.metadata.labels?.[REVISION_LABEL] ?? '';
}

function isHealthy(pod: Pod): boolean {
  return pod.status?.phase === 'Running' && isPodReady(pod) && !isDeleting(pod);
}

function isAvailable({ set, nowMs }: StatefulView, pod: Pod): boolean {
  return isHealthy(pod) && (availableAtMs(pod, set.spec.minReadySeconds ?? 0) ?? Infinity) <= nowMs;
}

/** @returns the status, and when a ready pod becomes available, which no event will tell */
export function planStatefulStatus(view: StatefulView): { status: StatefulSetStatus; afterMs: number | undefined } {
  const { set, updateRevision, nowMs } = view;
  let { currentRevision } = view;
  const pods = view.pods.filter(pod => ordinalOf(set, pod) >= 0);
  const isOf = (revision: string): number =>
    pods.filter(pod => !isDeleting(pod) && revisionOf(pod) === revision).length;
  const replicas = set.spec.replicas ?? 1;
  const readyReplicas = pods.filter(isHealthy).length;
  const updatedReplicas = isOf(updateRevision);
  let currentReplicas = isOf(currentRevision);
  const isRolling = set.spec.updateStrategy?.type !== 'OnDelete';
  if (isRolling && updatedReplicas === replicas && readyReplicas === replicas && pods.length === replicas) {
    currentRevision = updateRevision;
    currentReplicas = updatedReplicas;
  }
  const waits = pods
    .map(pod => (isHealthy(pod) ? (availableAtMs(pod, set.spec.minReadySeconds ?? 0) ?? 0) : 0))
    .filter(ms => ms > nowMs);
  const status: StatefulSetStatus = {
    observedGeneration: set.metadata.generation,
    replicas: pods.length,
    readyReplicas,
    availableReplicas: pods.filter(pod => isAvailable(view, pod)).length,
    currentReplicas,
    updatedReplicas,
    currentRevision,
    updateRevision,
    collisionCount: set.status?.collisionCount ?? 0,
  };
  return { status, afterMs: waits.length === 0 ? undefined : Math.min(...waits) - nowMs };
}
