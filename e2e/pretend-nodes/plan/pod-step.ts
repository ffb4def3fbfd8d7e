/**
 * What a made-up node does next for a pod, and what it then says of it. Pure.
 *
 * Pods may ask for an end by annotations: `pretend-nodes/run-seconds` (how long they run), `pretend-nodes/exit-code` (default 0). A container that ended
 * is not started again, whatever its restart policy.
 */
import type { ContainerStatus, Pod, PodCondition, PodStatus } from '../../../proto/api/core-v1.ts';
import { formatTime, parseTime } from '../../../machinery/meta/time.ts';

const RUN_SECONDS = 'pretend-nodes/run-seconds';
const EXIT_CODE = 'pretend-nodes/exit-code';

export type PodStep =
  | { readonly kind: 'start' }
  /** Its containers end by themselves. */
  | { readonly kind: 'end'; readonly atMs: number }
  /** It was deleted: its containers end and it goes. */
  | { readonly kind: 'stop' }
  | { readonly kind: 'none' };

/** What steps and statuses are decided from; the rest of a pod need not be kept. */
export function keptOfPod(pod: Pod): Pod {
  const { metadata, spec, status } = pod;
  const { namespace, name, uid, resourceVersion, deletionTimestamp, annotations, finalizers } = metadata;
  const containers = (list: Pod['spec']['containers'] | undefined) =>
    (list ?? []).map(container => ({ name: container.name, image: container.image }));
  return {
    metadata: {
      namespace,
      name,
      uid,
      resourceVersion,
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
      ...(finalizers === undefined ? {} : { finalizers }),
      ...(annotations?.[RUN_SECONDS] === undefined ? {} : { annotations }),
    },
    spec: {
      nodeName: spec.nodeName,
      hostNetwork: spec.hostNetwork,
      restartPolicy: spec.restartPolicy,
      readinessGates: spec.readinessGates,
      initContainers: containers(spec.initContainers),
      containers: containers(spec.containers),
    },
    status: {
      phase: status?.phase,
      podIP: status?.podIP,
      startTime: status?.startTime,
      conditions: status?.conditions,
    },
  };
}

export function nextStep(pod: Pod): PodStep {
  if (pod.metadata.deletionTimestamp !== undefined) return { kind: 'stop' };
  const { phase, startTime } = pod.status ?? {};
  if (phase === 'Succeeded' || phase === 'Failed') return { kind: 'none' };
  // Ready again when a gate opens or closes.
  if (phase !== 'Running' || isReady(pod) !== areGatesOpen(pod)) return { kind: 'start' };
  const seconds = Number(pod.metadata.annotations?.[RUN_SECONDS] ?? NaN);
  if (!Number.isFinite(seconds)) return { kind: 'none' };
  return { kind: 'end', atMs: (parseTime(startTime ?? '') ?? 0) + seconds * 1000 };
}

/** @param podIP its own address @param hostIP its node's */
export function runningStatus(pod: Pod, podIP: string, hostIP: string, epochMs: number): PodStatus {
  const time = formatTime(epochMs);
  const ip = pod.spec.hostNetwork === true ? hostIP : podIP;
  return {
    phase: 'Running',
    startTime: pod.status?.startTime ?? time,
    hostIP,
    hostIPs: [{ ip: hostIP }],
    podIP: ip,
    podIPs: [{ ip }],
    conditions: conditions(time, areGatesOpen(pod) ? 'True' : 'False', 'True'),
    initContainerStatuses: (pod.spec.initContainers ?? []).map(c => endedContainer(pod, c, 0, 'Completed', time)),
    containerStatuses: pod.spec.containers.map(({ name, image = '' }) => ({
      ...container(pod, name, image),
      ready: true,
      started: true,
      state: { running: { startedAt: time } },
    })),
  };
}

/** @param killed it did not end by itself */
export function endedStatus(pod: Pod, killed: boolean, epochMs: number): PodStatus {
  const time = formatTime(epochMs);
  const code = killed ? 137 : Number(pod.metadata.annotations?.[EXIT_CODE] ?? 0);
  const reason = code === 0 ? 'Completed' : 'Error';
  return {
    phase: code === 0 ? 'Succeeded' : 'Failed',
    conditions: conditions(time, 'False', 'False'),
    containerStatuses: pod.spec.containers.map(c => endedContainer(pod, c, code, reason, time)),
  };
}

function conditions(time: string, ready: 'True' | 'False', running: 'True' | 'False'): PodCondition[] {
  const condition = (type: string, status: string): PodCondition => ({ type, status, lastTransitionTime: time });
  return [
    condition('PodReadyToStartContainers', running),
    condition('Initialized', 'True'),
    condition('ContainersReady', running),
    condition('Ready', ready),
  ];
}

function container(pod: Pod, name: string, image: string) {
  return {
    name,
    image,
    imageID: `pretend://${image}`,
    containerID: `pretend://${pod.metadata.uid ?? ''}/${name}`,
    restartCount: 0,
    lastState: {},
  };
}

function endedContainer(
  pod: Pod,
  { name, image = '' }: { name: string; image?: string | undefined },
  exitCode: number,
  reason: string,
  time: string,
): ContainerStatus {
  const startedAt = pod.status?.startTime ?? time;
  return {
    ...container(pod, name, image),
    ready: false,
    started: false,
    state: { terminated: { exitCode, reason, startedAt, finishedAt: time } },
  };
}

function isTrue(pod: Pod, type: string): boolean {
  return pod.status?.conditions?.some(c => c.type === type && c.status === 'True') === true;
}

function isReady(pod: Pod): boolean {
  return isTrue(pod, 'Ready');
}

function areGatesOpen(pod: Pod): boolean {
  return (pod.spec.readinessGates ?? []).every(gate => isTrue(pod, gate.conditionType));
}
