/**
 * A Deployment's status and conditions. Pure.
 * Source: upstream `pkg/controller/deployment/{sync,progress}.go`; reasons and messages are what kubectl users know.
 */
import type { Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet } from '../../../../proto/api/apps-v1.ts';
import { findCondition } from '../../../../machinery/meta/object.ts';
import { formatTime, parseTime } from '../../../../machinery/meta/time.ts';
import { fencepostsOf, replicasOf } from './sizes.ts';

type Conditions = readonly DeploymentCondition[];

/** What happened in this run that the Progressing condition tells. */
export type Progress =
  | { kind: 'created'; set: string }
  | { kind: 'found'; set: string }
  | { kind: 'failedCreate'; set: string; why: string }
  | { kind: 'paused' }
  | { kind: 'resumed' }
  | undefined;

export interface StatusInput {
  deployment: Deployment;
  newSet: ReplicaSet | undefined;
  oldSets: readonly ReplicaSet[];
  progress: Progress;
  /** Tells progress and deadline; false while paused or scaling. */
  rollout: boolean;
  nowMs: number;
}

export interface StatusPlan {
  status: DeploymentStatus;
  /** When the progress deadline passes. */
  afterMs: number | undefined;
}

export function planStatus(input: StatusInput): StatusPlan {
  const { deployment, newSet, oldSets, nowMs } = input;
  const all = newSet === undefined ? oldSets : [newSet, ...oldSets];
  const total = (of: (status: NonNullable<ReplicaSet['status']>) => number | undefined): number =>
    all.reduce((sum, set) => sum + (set.status === undefined ? 0 : (of(set.status) ?? 0)), 0);
  const available = total(s => s.availableReplicas);
  const wished = all.reduce((sum, set) => sum + replicasOf(set), 0);
  const counts: DeploymentStatus = {
    observedGeneration: deployment.metadata.generation,
    replicas: total(s => s.replicas),
    updatedReplicas: newSet?.status?.replicas ?? 0,
    readyReplicas: total(s => s.readyReplicas),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, wished - available),
    terminatingReplicas: total(s => s.terminatingReplicas),
    ...(deployment.status?.collisionCount === undefined ? {} : { collisionCount: deployment.status.collisionCount }),
  };
  let conditions: Conditions = deployment.status?.conditions ?? [];
  conditions = withCondition(conditions, availability(deployment, available), nowMs);
  conditions = planProgress(input, counts, conditions);
  if (input.rollout) conditions = planFailure(input, all, conditions);
  const status = { ...counts, conditions: [...conditions] };
  return { status, afterMs: deadlineIn(deployment, status, nowMs) };
}

/** All pods are new and available, and no old ones are left. */
export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const desired = deployment.spec?.replicas ?? 1;
  return (
    (status.updatedReplicas ?? 0) === desired &&
    (status.replicas ?? 0) === desired &&
    (status.availableReplicas ?? 0) === desired &&
    (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  );
}

function availability(deployment: Deployment, available: number): DeploymentCondition {
  const enough = available >= (deployment.spec?.replicas ?? 1) - fencepostsOf(deployment).unavailable;
  return enough
    ? {
        type: 'Available',
        status: 'True',
        reason: 'MinimumReplicasAvailable',
        message: 'Deployment has minimum availability.',
      }
    : {
        type: 'Available',
        status: 'False',
        reason: 'MinimumReplicasUnavailable',
        message: 'Deployment does not have minimum availability.',
      };
}

function hasDeadline(deployment: Deployment): boolean {
  const seconds = deployment.spec?.progressDeadlineSeconds;
  return seconds !== undefined && seconds !== 2_147_483_647;
}

function planProgress(input: StatusInput, counts: DeploymentStatus, conditions: Conditions): Conditions {
  const { deployment, newSet, progress, rollout, nowMs } = input;
  if (!hasDeadline(deployment)) return conditions.filter(c => c.type !== 'Progressing');
  const set = (status: 'True' | 'False' | 'Unknown', reason: string, message: string): Conditions =>
    withCondition(conditions, { type: 'Progressing', status, reason, message }, nowMs);
  const told = findCondition(conditions, 'Progressing');
  switch (progress?.kind) {
    case 'paused':
      // That it got stuck is worth more than that it rests.
      if (told?.reason === 'DeploymentPaused' || told?.reason === 'ProgressDeadlineExceeded') return conditions;
      return set('Unknown', 'DeploymentPaused', 'Deployment is paused');
    case 'resumed':
      conditions = set('Unknown', 'DeploymentResumed', 'Deployment is resumed');
      break;
    case 'created':
      conditions = set('True', 'NewReplicaSetCreated', `Created new replica set "${progress.set}"`);
      break;
    case 'found':
      if (told === undefined) conditions = set('True', 'FoundNewReplicaSet', `Found new replica set "${progress.set}"`);
      break;
    case 'failedCreate':
      return set('False', 'ReplicaSetCreateError', failedCreate(progress.set, progress.why));
    case undefined:
      break;
  }
  const current = findCondition(conditions, 'Progressing');
  const wasComplete =
    (counts.replicas ?? 0) === (counts.updatedReplicas ?? 0) && current?.reason === 'NewReplicaSetAvailable';
  if (!rollout || wasComplete) return conditions;
  const name =
    newSet === undefined ? `Deployment "${deployment.metadata.name}"` : `ReplicaSet "${newSet.metadata.name}"`;
  const tell = (status: 'True' | 'False', reason: string, message: string): Conditions =>
    withCondition(conditions, { type: 'Progressing', status, reason, message }, nowMs);
  if (isComplete(deployment, counts))
    return tell('True', 'NewReplicaSetAvailable', `${name} has successfully progressed.`);
  if (hasMoved(deployment, counts)) {
    // The time of the last update counts for the deadline, so it moves although nothing else does.
    const others = conditions.filter(c => c.type !== 'Progressing');
    const moved = {
      type: 'Progressing',
      status: 'True',
      reason: 'ReplicaSetUpdated',
      message: `${name} is progressing.`,
    };
    const since = current?.status === 'True' ? current.lastTransitionTime : formatTime(nowMs);
    return [...others, { ...moved, lastUpdateTime: formatTime(nowMs), lastTransitionTime: since }];
  }
  if (hasTimedOut(deployment, current, nowMs))
    return tell('False', 'ProgressDeadlineExceeded', `${name} has timed out progressing.`);
  return conditions;
}

export function failedCreate(set: string, why: string): string {
  return `Failed to create new replica set "${set}": ${why}`;
}

function hasMoved(deployment: Deployment, next: DeploymentStatus): boolean {
  const old = deployment.status ?? {};
  const outdated = (s: DeploymentStatus): number => (s.replicas ?? 0) - (s.updatedReplicas ?? 0);
  return (
    (next.updatedReplicas ?? 0) > (old.updatedReplicas ?? 0) ||
    outdated(next) < outdated(old) ||
    (next.readyReplicas ?? 0) > (old.readyReplicas ?? 0) ||
    (next.availableReplicas ?? 0) > (old.availableReplicas ?? 0)
  );
}

function hasTimedOut(deployment: Deployment, current: DeploymentCondition | undefined, nowMs: number): boolean {
  if (current === undefined || current.reason === 'NewReplicaSetAvailable') return false;
  if (current.reason === 'ProgressDeadlineExceeded') return true;
  const fromMs = parseTime(current.lastUpdateTime ?? '') ?? nowMs;
  return fromMs + (deployment.spec?.progressDeadlineSeconds ?? 600) * 1000 < nowMs;
}

function deadlineIn(deployment: Deployment, status: DeploymentStatus, nowMs: number): number | undefined {
  const current = findCondition(status.conditions, 'Progressing');
  if (!hasDeadline(deployment) || current === undefined || deployment.spec?.paused === true) return undefined;
  if (isComplete(deployment, status) || current.reason === 'NewReplicaSetAvailable') return undefined;
  if (current.reason === 'ProgressDeadlineExceeded') return undefined;
  const fromMs = parseTime(current.lastUpdateTime ?? '') ?? nowMs;
  // A second more, because times are cut to seconds.
  return Math.max(0, fromMs + (deployment.spec?.progressDeadlineSeconds ?? 600) * 1000 - nowMs) + 1000;
}

/** Passes on why a set cannot make its pods. */
function planFailure(input: StatusInput, all: readonly ReplicaSet[], conditions: Conditions): Conditions {
  const failures = (set: ReplicaSet | undefined) => findCondition(set?.status?.conditions, 'ReplicaFailure');
  const failure = failures(input.newSet) ?? all.map(failures).find(c => c !== undefined);
  if (failure === undefined) return conditions.filter(c => c.type !== 'ReplicaFailure');
  const { status, reason, message, lastTransitionTime } = failure;
  const old = findCondition(conditions, 'ReplicaFailure');
  if (old?.status === status && old.reason === reason) return conditions;
  const passedOn = {
    type: 'ReplicaFailure',
    status,
    reason,
    message,
    lastUpdateTime: lastTransitionTime,
    lastTransitionTime,
  };
  return [...conditions.filter(c => c.type !== 'ReplicaFailure'), passedOn];
}

/** Replaces the condition of that type; when nothing but the message changed, it stays as it is. */
function withCondition(conditions: Conditions, next: DeploymentCondition, nowMs: number): Conditions {
  const old = findCondition(conditions, next.type);
  if (old !== undefined && old.status === next.status && old.reason === next.reason) return conditions;
  const now = formatTime(nowMs);
  const since = old?.status === next.status ? (old.lastTransitionTime ?? now) : now;
  const others = conditions.filter(c => c.type !== next.type);
  return [...others, { ...next, lastUpdateTime: now, lastTransitionTime: since }];
}
