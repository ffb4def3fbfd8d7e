/**
 * The conditions that the kubelet owns. Transition times are set when they are merged with the older ones.
 * Source: kubernetes.io/docs, "Pod conditions", "Pod readiness"; `pkg/kubelet/status/generate.go` 1.36.
 */
import type { ContainerStatus, Pod, PodCondition, PodPhase } from '../../../proto/api/core-v1.ts';
import { findCondition } from '../../../machinery/meta/object.ts';
import { allContainers, isSidecar } from './pod-spec.ts';
import { RESIZE_CONDITIONS } from '../allocations/plan/resize-events.ts';
import { rfc3339 } from './time-format.ts';

/** Types of conditions that nobody but the kubelet writes. */
const KUBELET_CONDITIONS: ReadonlySet<string> = new Set([
  'PodReadyToStartContainers',
  'Initialized',
  'ContainersReady',
  'Ready',
  'PodScheduled',
  'AllContainersRestarting',
  ...RESIZE_CONDITIONS,
]);

/** Whether the kubelet writes it. A disruption may be another's: the scheduler's preemption, the taint manager. */
export function isKubeletCondition({ type, reason }: PodCondition): boolean {
  return KUBELET_CONDITIONS.has(type) || (type === 'DisruptionTarget' && reason === 'TerminationByKubelet');
}

export interface ConditionsInput {
  readonly pod: Pod;
  readonly phase: PodPhase;
  readonly initStatuses: readonly ContainerStatus[];
  readonly mainStatuses: readonly ContainerStatus[];
  readonly sandboxReady: boolean;
  /** Of a resize that waits or is under way; they know which generation they speak of. */
  readonly resizeConditions: readonly PodCondition[];
  /** Whether containers are being stopped so that all of the pod begins anew. */
  readonly allRestarting: boolean;
  /** Why the kubelet ends the pod before its time. */
  readonly disruption: string | undefined;
}

/** In upstream's order, without times. */
export function podConditions(input: ConditionsInput): PodCondition[] {
  const { pod, sandboxReady } = input;
  const containersReady = containersReadyCondition(input);
  const generation = pod.metadata.generation;
  const conditions: PodCondition[] = [
    { type: 'PodReadyToStartContainers', status: sandboxReady ? 'True' : 'False' },
    initializedCondition(input),
    readyCondition(pod, containersReady),
    containersReady,
    { type: 'PodScheduled', status: 'True' },
    ...disruptionCondition(input),
    ...restartingCondition(input),
  ];
  const dated = generation === undefined ? conditions : conditions.map(c => ({ ...c, observedGeneration: generation }));
  return [...dated, ...input.resizeConditions];
}

/** Only of pods that have such a rule. */
function restartingCondition({ pod, phase, allRestarting }: ConditionsInput): PodCondition[] {
  const type = 'AllContainersRestarting';
  const could = allContainers(pod).some(({ container }) =>
    (container.restartPolicyRules ?? []).some(rule => rule.action === 'RestartAllContainers'),
  );
  if (!could) return [];
  if (phase === 'Succeeded') return [{ type, status: 'False', reason: 'PodCompleted' }];
  if (phase === 'Failed') return [{ type, status: 'False', reason: 'PodFailed' }];
  if (!allRestarting) return [{ type, status: 'False' }];
  const message = 'container exited with restart policy rule';
  return [{ type, status: 'True', reason: 'RestartAllContainersStarted', message }];
}

function disruptionCondition({ disruption: message }: ConditionsInput): PodCondition[] {
  if (message === undefined) return [];
  return [{ type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet', message }];
}

function initializedCondition({ pod, phase, initStatuses, mainStatuses }: ConditionsInput): PodCondition {
  const type = 'Initialized';
  const mainRan = mainStatuses.some(
    s => s.state?.running !== undefined || s.state?.terminated !== undefined || s.lastState?.terminated !== undefined,
  );
  const incomplete = (pod.spec.initContainers ?? []).filter(container => {
    const status = initStatuses.find(s => s.name === container.name);
    if (isSidecar(container)) return status?.started !== true && !mainRan;
    return status?.state?.terminated?.exitCode !== 0;
  });
  if (incomplete.length === 0)
    return { type, status: 'True', ...(phase === 'Succeeded' ? { reason: 'PodCompleted' } : {}) };
  if (phase === 'Succeeded') return { type, status: 'True', reason: 'PodCompleted' };
  const names = incomplete.map(container => container.name).join(' ');
  return {
    type,
    status: 'False',
    reason: 'ContainersNotInitialized',
    message: `containers with incomplete status: [${names}]`,
  };
}

function containersReadyCondition({ pod, phase, initStatuses, mainStatuses }: ConditionsInput): PodCondition {
  const type = 'ContainersReady';
  if (phase === 'Succeeded') return { type, status: 'False', reason: 'PodCompleted' };
  if (phase === 'Failed') return { type, status: 'False', reason: 'PodFailed' };
  const unready = [
    ...(pod.spec.initContainers ?? [])
      .filter(isSidecar)
      .filter(c => initStatuses.find(s => s.name === c.name)?.ready !== true),
    ...pod.spec.containers.filter(c => mainStatuses.find(s => s.name === c.name)?.ready !== true),
  ];
  if (unready.length === 0) return { type, status: 'True' };
  const names = unready.map(container => container.name).join(' ');
  return { type, status: 'False', reason: 'ContainersNotReady', message: `containers with unready status: [${names}]` };
}

function readyCondition(pod: Pod, containersReady: PodCondition): PodCondition {
  const type = 'Ready';
  if (containersReady.status !== 'True') return { ...containersReady, type };
  const missing = (pod.spec.readinessGates ?? []).flatMap(({ conditionType }) => {
    const gate = findCondition(pod.status?.conditions, conditionType);
    if (gate === undefined) return [`corresponding condition of pod readiness gate "${conditionType}" does not exist.`];
    if (gate.status === 'True') return [];
    return [`the status of pod readiness gate "${conditionType}" is not "True", but ${gate.status}`];
  });
  if (missing.length === 0) return { type, status: 'True' };
  return { type, status: 'False', reason: 'ReadinessGatesNotReady', message: missing.join(', ') };
}

/** Keeps others' conditions, and the times of what did not flip. */
export function mergeConditions(
  older: readonly PodCondition[] | undefined,
  ours: readonly PodCondition[],
  nowMs: number,
): PodCondition[] {
  const now = rfc3339(nowMs);
  const merged = ours.map(condition => {
    const old = findCondition(older, condition.type);
    const same = old !== undefined && old.status === condition.status;
    return { ...condition, lastProbeTime: undefined, lastTransitionTime: same ? (old.lastTransitionTime ?? now) : now };
  });
  const foreign = (older ?? []).filter(
    ({ type }) => !RESIZE_CONDITIONS.has(type) && !ours.some(condition => condition.type === type),
  );
  return [...merged, ...foreign].map(dropUndefined);
}

function dropUndefined(condition: PodCondition): PodCondition {
  return Object.fromEntries(
    Object.entries(condition).filter(([, value]) => value !== undefined),
  ) as unknown as PodCondition;
}
