/**
 * The containers of a pod that has ended: what never ran, or cannot be found any more, waits for nothing.
 * Source: kubernetes 1.36 `pkg/kubelet/status/status_manager.go`, TerminatePod.
 */
import type { ContainerStateTerminated, ContainerStatus, Pod } from '../../../proto/api/core-v1.ts';
import { isSidecar } from './pod-spec.ts';

/** What is said of a container that nobody saw end. */
export const LOST: ContainerStateTerminated = {
  exitCode: 137,
  reason: 'ContainerStatusUnknown',
  message: 'The container could not be located when the pod was terminated',
};

/** Init containers that were reached, and containers whose turn had come, have ended; others stay as they are: their turn never came. */
export function endedStatuses(
  pod: Pod,
  initStatuses: readonly ContainerStatus[],
  mainStatuses: readonly ContainerStatus[],
): { initStatuses: ContainerStatus[]; mainStatuses: ContainerStatus[] } {
  // The first was reached, whatever its status says.
  const reached = Math.max(1, initStatuses.findLastIndex(hasBegun) + 1);
  const initialized = isInitialized(pod, initStatuses, mainStatuses);
  return {
    initStatuses: initStatuses.map((status, index) => (index < reached ? ended(status) : status)),
    mainStatuses: mainStatuses.map(status => (initialized ? ended(status) : status)),
  };
}

function isInitialized(
  pod: Pod,
  initStatuses: readonly ContainerStatus[],
  mainStatuses: readonly ContainerStatus[],
): boolean {
  const last = pod.spec.initContainers?.at(-1);
  if (last === undefined || mainStatuses.some(hasBegun)) return true;
  const status = initStatuses.find(({ name }) => name === last.name);
  return isSidecar(last) ? status?.started === true : status?.state?.terminated?.exitCode === 0;
}

function hasBegun({ state, lastState }: ContainerStatus): boolean {
  return state?.waiting === undefined || lastState?.terminated !== undefined;
}

function ended(status: ContainerStatus): ContainerStatus {
  if (status.state?.terminated !== undefined) return status;
  const { containerID } = status;
  const terminated = { ...LOST, ...(containerID === undefined ? {} : { containerID }) };
  return { ...status, ready: false, started: false, state: { terminated } };
}
