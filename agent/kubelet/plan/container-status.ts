/**
 * The status of one container, from the runtime's attempts and from why it does not run.
 * Source: kubernetes 1.36 `pkg/kubelet/kubelet_pods.go`, convertToAPIContainerStatuses.
 */
import { Buffer } from 'node:buffer';
import type {
  Container,
  ContainerState,
  ContainerStateTerminated,
  ContainerStatus,
  VolumeMount,
} from '../../../proto/api/core-v1.ts';
import { LOST } from './ended-statuses.ts';
import type { ContainerView } from './pod-view.ts';
import { rfc3339 } from './time-format.ts';

/** Why a container does not run: `ErrImagePull`, `CrashLoopBackOff`, `CreateContainerConfigError`, ... */
export interface WaitingReason {
  readonly reason: string;
  readonly message: string;
}

export interface ContainerStatusInput {
  readonly container: Container;
  /** All attempts that the runtime has, newest first. */
  readonly attempts: readonly ContainerView[];
  /** The API's last word, for what the runtime has forgotten. */
  readonly older: ContainerStatus | undefined;
  readonly waiting: WaitingReason | undefined;
  /** What a container that never ran waits for. */
  readonly defaultWaiting: 'ContainerCreating' | 'PodInitializing';
  readonly ready: boolean;
  readonly started: boolean;
  /** `containerd`, before `://`. */
  readonly runtimeName: string;
  /** Of a termination message. */
  readonly maxMessageBytes: number;
  /** What was set aside for it and what it has; undefined for what cannot be resized. */
  readonly resources: Pick<ContainerStatus, 'allocatedResources' | 'resources'> | undefined;
  /** Every container has ended and none will run again. */
  readonly final: boolean;
}

export function containerStatus(input: ContainerStatusInput): ContainerStatus {
  const { container, attempts, older, waiting, runtimeName, maxMessageBytes, final } = input;
  const [newest, previous] = attempts;
  if (newest === undefined) return withoutAttempt(input);
  const running = newest.state === 'running';
  const status: ContainerStatus = {
    name: container.name,
    state: {},
    lastState: {},
    ready: running && input.ready,
    restartCount: newest.attempt,
    image: newest.image === '' ? (container.image ?? '') : newest.image,
    imageID: newest.imageRef,
    containerID: `${runtimeName}://${newest.id}`,
    started: running && input.started,
    ...mountsOf(container, newest),
    ...input.resources,
    ...(newest.user === undefined ? {} : { user: newest.user }),
    ...stopSignalOf(container, newest),
  };
  const olderTerminated = older?.state?.terminated ?? older?.lastState?.terminated;
  const before = previous === undefined ? olderTerminated : terminated(previous, runtimeName, maxMessageBytes);
  const lastState: ContainerState =
    before === undefined || isSame(before, newest, runtimeName) ? {} : { terminated: before };
  switch (newest.state) {
    case 'running':
      return {
        ...status,
        state: { running: { startedAt: rfc3339(newest.startedAtMs) } },
        lastState,
      };
    case 'exited': {
      const ended = { terminated: terminated(newest, runtimeName, maxMessageBytes) };
      if (waiting !== undefined && !final) return { ...status, state: { waiting: { ...waiting } }, lastState: ended };
      return { ...status, state: ended, lastState };
    }
    case 'unknown': {
      const lost = unknownState(`${runtimeName}://${newest.id}`);
      return { ...status, state: { terminated: lost }, lastState };
    }
    case 'created':
      return {
        ...status,
        state: { waiting: waiting === undefined ? { reason: input.defaultWaiting } : { ...waiting } },
        lastState,
      };
  }
}

/** The runtime has none: it never ran, or its traces were removed. */
function withoutAttempt(input: ContainerStatusInput): ContainerStatus {
  const { container, older, waiting, final } = input;
  if (older?.state?.terminated !== undefined && (final || waiting === undefined))
    return { ...older, ...input.resources, ready: false, started: false };
  const status: ContainerStatus = {
    name: container.name,
    state: { waiting: waiting === undefined ? { reason: input.defaultWaiting } : { ...waiting } },
    lastState: {},
    ready: false,
    restartCount: older?.restartCount ?? 0,
    image: container.image ?? '',
    imageID: older?.imageID ?? '',
    started: false,
    ...mountsOf(container),
    ...input.resources,
  };
  if (older?.state?.running !== undefined) {
    const lost = unknownState(older.containerID);
    if (final) return { ...status, containerID: older.containerID, state: { terminated: lost } };
    return { ...status, lastState: { terminated: lost } };
  }
  const last = older?.state?.terminated ?? older?.lastState?.terminated;
  return last === undefined ? status : { ...status, lastState: { terminated: last } };
}

function unknownState(containerID: string | undefined): ContainerStateTerminated {
  return { ...LOST, ...(containerID === undefined ? {} : { containerID }) };
}

function isSame(before: ContainerStateTerminated, newest: ContainerView, runtimeName: string): boolean {
  return before.containerID === `${runtimeName}://${newest.id}`;
}

/** Exit codes above this are 128 + a signal's number, but the API's `signal` is only what a runtime says itself. */
function terminated(view: ContainerView, runtimeName: string, maxMessageBytes: number): ContainerStateTerminated {
  return {
    exitCode: view.exitCode,
    reason: view.reason === '' ? (view.exitCode === 0 ? 'Completed' : 'Error') : view.reason,
    ...(view.message === '' ? {} : { message: startOf(view.message, maxMessageBytes) }),
    // A container that failed to start has no start: the API then shows the epoch, as upstream's.
    startedAt: rfc3339(view.startedAtMs),
    finishedAt: rfc3339(view.finishedAtMs),
    containerID: `${runtimeName}://${view.id}`,
  };
}

/** Where the runtime does not know of such signals, the kubelet sends what the spec names. */
function stopSignalOf(container: Container, view: ContainerView): Partial<ContainerStatus> {
  const stopSignal = view.stopSignal ?? container.lifecycle?.stopSignal;
  return stopSignal === undefined ? {} : { stopSignal };
}

/** Whole characters alone. */
function startOf(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  return bytes.length <= maxBytes
    ? text
    : bytes
        .subarray(0, maxBytes)
        .toString()
        .replace(/\uFFFD+$/, '');
}

/** Whether a mount is read-only all the way down is the runtime's word once the container is made; until then what was asked for. */
function mountsOf(container: Container, view?: ContainerView): Partial<ContainerStatus> {
  const mounts = container.volumeMounts ?? [];
  if (mounts.length === 0) return {};
  const isRecursive = ({ mountPath, recursiveReadOnly }: VolumeMount): boolean =>
    view === undefined ? recursiveReadOnly === 'Enabled' : view.recursivelyReadOnly?.includes(mountPath) === true;
  return {
    volumeMounts: mounts.map(mount => ({
      name: mount.name,
      mountPath: mount.mountPath,
      ...(mount.readOnly === true
        ? { readOnly: true, recursiveReadOnly: isRecursive(mount) ? 'Enabled' : 'Disabled' }
        : {}),
    })),
  };
}
