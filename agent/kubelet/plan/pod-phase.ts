/**
 * A pod's phase from its containers' states.
 * Source: kubernetes.io/docs, "Pod phase"; `pkg/kubelet/kubelet_pods.go` 1.36, getPhase.
 */
import type { ContainerStatus, Pod, PodPhase } from '../../../proto/api/core-v1.ts';
import { isSidecar } from './pod-spec.ts';
import { restartPolicyOf, wantsRestart } from './restart.ts';

/** @param final nothing of the pod runs and nothing will: it is being deleted or was told to end */
export function podPhase(
  pod: Pod,
  initStatuses: readonly ContainerStatus[],
  mainStatuses: readonly ContainerStatus[],
  final: boolean,
): PodPhase {
  let initPending = 0;
  let initFailed = false;
  let sidecarsRunning = 0;
  for (const container of pod.spec.initContainers ?? []) {
    const status = initStatuses.find(s => s.name === container.name);
    if (isSidecar(container)) {
      if (status?.state?.running !== undefined) sidecarsRunning++;
      if (status?.started !== true) initPending++;
      continue;
    }
    const ended = status?.state?.terminated;
    if (ended === undefined) initPending++;
    else if (ended.exitCode !== 0) {
      if (wantsRestart(pod, container, 'init', ended.exitCode)) initPending++;
      else initFailed = true;
    }
  }
  let waiting = 0;
  let running = 0;
  let stopped = 0;
  let succeeded = 0;
  let restarting = 0;
  for (const container of pod.spec.containers) {
    const state = mainStatuses.find(s => s.name === container.name);
    if (state?.state?.running !== undefined) running++;
    else if (state?.state?.terminated !== undefined) {
      stopped++;
      const { exitCode } = state.state.terminated;
      if (exitCode === 0) succeeded++;
      if (wantsRestart(pod, container, 'main', exitCode)) restarting++;
    } else if (state?.lastState?.terminated !== undefined) {
      stopped++;
      restarting++;
    } else waiting++;
  }
  const ran = running + stopped > 0;
  if (initFailed) return 'Failed';
  if (final && running === 0) return ran && stopped === succeeded && waiting === 0 ? 'Succeeded' : 'Failed';
  if (initPending > 0 && !ran) return 'Pending';
  if (waiting > 0) return 'Pending';
  if (running > 0) return 'Running';
  if (stopped === 0) return 'Pending';
  if (restarting > 0 || sidecarsRunning > 0) return 'Running';
  if (stopped === succeeded) return 'Succeeded';
  // Ended badly, and nothing brings it back.
  return pod.spec.containers.every(c => restartPolicyOf(pod, c, 'main') === 'Always') ? 'Running' : 'Failed';
}
