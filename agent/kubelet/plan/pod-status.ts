/**
 * A pod's whole status, from its spec, what the runtime holds and what the probes said. Pure; times come in.
 * Source: kubernetes 1.36 `pkg/kubelet/kubelet_pods.go`, generateAPIPodStatus.
 */
import type { Container, ContainerStatus, Pod, PodCondition, PodPhase, PodStatus } from '../../../proto/api/core-v1.ts';
import { resourcesOfStatus, type AppliedResources } from '../allocations/plan/applied-resources.ts';
import { containerStatus, type WaitingReason } from './container-status.ts';
import { endedStatuses } from './ended-statuses.ts';
import { mergeConditions, podConditions } from './pod-conditions.ts';
import { podPhase } from './pod-phase.ts';
import { allContainers, isTerminalPhase, type RoledContainer } from './pod-spec.ts';
import type { ContainerView, PodView } from './pod-view.ts';
import { newLifeAtMs } from './restart.ts';
import { qosClassOf } from '../../../machinery/meta/pod-resources.ts';
import { rfc3339 } from './time-format.ts';

/** A pod that the kubelet ended by itself: `Evicted`, `DeadlineExceeded`, `OutOfcpu`. */
export interface PodVerdict {
  readonly reason: string;
  readonly message: string;
  /** Shortens the pod's own grace period, to no less than a second. */
  readonly graceSeconds?: number | undefined;
  /** Message of the condition DisruptionTarget (reason TerminationByKubelet); undefined: the end is no disruption. */
  readonly disruption?: string | undefined;
}

/** Of all containers of a pod, shared out evenly; what is more is cut off, or the status would outgrow the pod. */
const MAX_MESSAGES_BYTES = 12 * 1024;

export interface PodStatusInput {
  readonly pod: Pod;
  readonly view: PodView | undefined;
  /** By container name. */
  readonly waiting: ReadonlyMap<string, WaitingReason>;
  /** Readiness and startup of a running container. */
  readonly probes: (container: ContainerView) => { readonly ready: boolean; readonly started: boolean };
  /** What a running container was given; undefined if nobody knows. */
  readonly applied: (container: ContainerView) => AppliedResources | undefined;
  /** Of a resize that waits or is under way. */
  readonly resizeConditions: readonly PodCondition[];
  readonly hostIPs: readonly string[];
  readonly runtimeName: string;
  readonly nowMs: number;
  /** Newest status known, ours or the API's. */
  readonly older: PodStatus | undefined;
  readonly verdict: PodVerdict | undefined;
  /** Nothing of the pod runs, and nothing will. */
  readonly final: boolean;
}

export function podStatus(input: PodStatusInput): PodStatus {
  const { pod, view, older, verdict, hostIPs, nowMs } = input;
  const roled = allContainers(pod);
  const of = (wanted: readonly string[], olderStatuses: readonly ContainerStatus[] | undefined): ContainerStatus[] =>
    roled.filter(({ role }) => wanted.includes(role)).map(item => statusOf(item, input, olderStatuses));
  const known = {
    initStatuses: of(['init', 'sidecar'], older?.initContainerStatuses),
    mainStatuses: of(['main'], older?.containerStatuses),
  };
  const { initStatuses, mainStatuses } = input.final
    ? endedStatuses(pod, known.initStatuses, known.mainStatuses)
    : known;
  const ephemeralStatuses = of(['ephemeral'], older?.ephemeralContainerStatuses);
  const phase = phaseOf(input, initStatuses, mainStatuses);
  const sandbox = view?.sandboxes[0];
  const hostNetwork = pod.spec.hostNetwork === true;
  const sandboxReady =
    sandbox !== undefined && sandbox.ready && (hostNetwork || sandbox.ips.length > 0) && !isTerminalPhase(phase);
  const ownIPs = hostNetwork ? (sandbox === undefined ? [] : hostIPs) : (sandbox?.ips ?? []);
  const ips = ownIPs.length > 0 ? ownIPs : (older?.podIPs ?? []).map(({ ip }) => ip);
  const conditions = mergeConditions(
    older?.conditions,
    podConditions({
      pod,
      phase,
      initStatuses,
      mainStatuses,
      sandboxReady,
      resizeConditions: isTerminalPhase(phase) ? [] : input.resizeConditions,
      allRestarting: isOfEarlierLife(pod, view),
      disruption: verdict?.disruption,
    }),
    nowMs,
  );
  // A pod that was turned away has no containers to speak of: they would seem to be on their way.
  const neverBegun =
    phase === 'Failed' && (view?.containers ?? []).length === 0 && (older?.containerStatuses ?? []).length === 0;
  const generation = pod.metadata.generation;
  return {
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    phase,
    conditions,
    ...(verdict === undefined ? keep(older, phase) : { reason: verdict.reason, message: verdict.message }),
    ...(hostIPs[0] === undefined ? {} : { hostIP: hostIPs[0], hostIPs: hostIPs.map(ip => ({ ip })) }),
    ...(ips[0] === undefined ? {} : { podIP: ips[0], podIPs: ips.map(ip => ({ ip })) }),
    startTime: older?.startTime ?? rfc3339(nowMs),
    ...(initStatuses.length === 0 || neverBegun ? {} : { initContainerStatuses: initStatuses }),
    ...(neverBegun ? {} : { containerStatuses: mainStatuses }),
    ...(ephemeralStatuses.length === 0 ? {} : { ephemeralContainerStatuses: ephemeralStatuses }),
    qosClass: older?.qosClass ?? qosClassOf(pod),
    ...wholeResources(input),
  };
}

/** Of the pod as a whole; while a resize is carried out it has what it had. */
function wholeResources({
  pod,
  older,
  resizeConditions,
}: PodStatusInput): Pick<PodStatus, 'allocatedResources' | 'resources'> {
  const { resources } = pod.spec;
  if (resources === undefined) return {};
  const busy = resizeConditions.some(({ type }) => type === 'PodResizeInProgress');
  return {
    ...(resources.requests === undefined ? {} : { allocatedResources: resources.requests }),
    resources: busy ? (older?.resources ?? resources) : resources,
  };
}

/** Whether something still runs that was to end with all of the pod. */
function isOfEarlierLife(pod: Pod, view: PodView | undefined): boolean {
  const bornAfterMs = newLifeAtMs(pod, view);
  return (view?.containers ?? []).some(c => c.state === 'running' && c.createdAtMs <= bornAfterMs);
}

/** A reason that an ended pod was given stays. */
function keep(older: PodStatus | undefined, phase: PodPhase): Pick<PodStatus, 'reason' | 'message'> {
  if (!isTerminalPhase(phase) || older === undefined) return {};
  return {
    ...(older.reason === undefined ? {} : { reason: older.reason }),
    ...(older.message === undefined ? {} : { message: older.message }),
  };
}

/** An ended pod stays ended. */
function phaseOf(input: PodStatusInput, initStatuses: ContainerStatus[], mainStatuses: ContainerStatus[]): PodPhase {
  const { pod, older, verdict, final } = input;
  if (older?.phase !== undefined && isTerminalPhase(older.phase)) return older.phase;
  if (verdict !== undefined) return 'Failed';
  return podPhase(pod, initStatuses, mainStatuses, final);
}

function statusOf(
  { container, role }: RoledContainer,
  input: PodStatusInput,
  older: readonly ContainerStatus[] | undefined,
): ContainerStatus {
  const attempts = (input.view?.containers ?? []).filter(view => view.name === container.name);
  const newest = attempts[0];
  const probes = newest?.state === 'running' ? input.probes(newest) : { ready: false, started: false };
  // An init container that ended well is ready for good.
  const initDone = role === 'init' && newest?.state === 'exited' && newest.exitCode === 0;
  const status = containerStatus({
    container,
    attempts,
    older: older?.find(s => s.name === container.name),
    waiting: input.waiting.get(container.name),
    defaultWaiting: (input.pod.spec.initContainers ?? []).length > 0 ? 'PodInitializing' : 'ContainerCreating',
    ready: role === 'init' ? false : probes.ready,
    started: probes.started,
    runtimeName: input.runtimeName,
    resources: role === 'ephemeral' ? undefined : resourcesOf(container, newest, input),
    maxMessageBytes: Math.floor(MAX_MESSAGES_BYTES / Math.max(1, allContainers(input.pod).length)),
    final: input.final,
  });
  return initDone ? { ...status, ready: true } : status;
}

/** What does not run has, for the API, what is set aside for it. */
function resourcesOf(
  container: Container,
  newest: ContainerView | undefined,
  { pod, applied }: PodStatusInput,
): Pick<ContainerStatus, 'allocatedResources' | 'resources'> {
  const requests = container.resources?.requests;
  const runs = newest?.state === 'running';
  return {
    ...(requests === undefined ? {} : { allocatedResources: requests }),
    resources: resourcesOfStatus(
      pod,
      container,
      runs ? applied(newest) : undefined,
      runs ? newest.resources : undefined,
    ),
  };
}
