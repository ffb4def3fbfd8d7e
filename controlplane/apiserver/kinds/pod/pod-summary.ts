/**
 * A pod in one line, as `kubectl get pods` shows it: the word for its state, containers ready, restarts.
 * Source: Kubernetes `pkg/printers/internalversion` (pods), 1.36.
 */
import { isConditionTrue, isDeleting } from '../../../../machinery/meta/object.ts';
import type { ContainerStatus, Pod } from '../../../../proto/api/core-v1.ts';

export interface PodSummary {
  readonly status: string;
  readonly ready: number;
  readonly total: number;
  readonly restarts: number;
  /** When the newest of the restarted containers had ended; undefined if unknown. */
  readonly lastRestartMs: number | undefined;
}

interface Tally {
  status: string;
  ready: number;
  restarts: number;
  lastRestartMs: number | undefined;
}

/** Sums up `pod` as far as its status tells. */
export function podSummary(pod: Pod): PodSummary {
  const sidecars = new Set((pod.spec.initContainers ?? []).filter(c => c.restartPolicy === 'Always').map(c => c.name));
  const tally: Tally = { status: initialWord(pod), ready: 0, restarts: 0, lastRestartMs: undefined };
  const sidecarTally: Tally = { ...tally };
  const initializing = tallyInit(pod, sidecars, tally, sidecarTally);
  if (!initializing || isConditionTrue(pod.status?.conditions, 'Initialized')) {
    tally.restarts = sidecarTally.restarts;
    tally.lastRestartMs = sidecarTally.lastRestartMs;
    tallyRegular(pod, tally);
  }
  const total = (pod.spec.containers?.length ?? 0) + sidecars.size;
  const { ready, restarts, lastRestartMs } = tally;
  return { status: deletionWord(pod) ?? tally.status, ready, total, restarts, lastRestartMs };
}

function initialWord(pod: Pod): string {
  const gated = pod.status?.conditions?.some(c => c.type === 'PodScheduled' && c.reason === 'SchedulingGated');
  if (gated === true) return 'SchedulingGated';
  return pod.status?.reason || pod.status?.phase || '';
}

function deletionWord(pod: Pod): string | undefined {
  if (!isDeleting(pod)) return undefined;
  if (pod.status?.reason === 'NodeLost') return 'Unknown';
  const phase = pod.status?.phase;
  return phase === 'Succeeded' || phase === 'Failed' ? undefined : 'Terminating';
}

/** Whether an init container is still at it; the first such one names the state. */
function tallyInit(pod: Pod, sidecars: ReadonlySet<string>, tally: Tally, sidecarTally: Tally): boolean {
  for (const [i, container] of (pod.status?.initContainerStatuses ?? []).entries()) {
    const sidecar = sidecars.has(container.name);
    countRestarts(container, tally);
    if (sidecar) countRestarts(container, sidecarTally);
    const { terminated, waiting } = container.state ?? {};
    if (terminated?.exitCode === 0) continue;
    if (sidecar && container.started === true) {
      if (container.ready) tally.ready++;
      continue;
    }
    const waitingReason = waiting?.reason ?? '';
    if (terminated !== undefined) tally.status = `Init:${endWord(terminated)}`;
    else if (waitingReason !== '' && waitingReason !== 'PodInitializing') tally.status = `Init:${waitingReason}`;
    else tally.status = `Init:${i}/${pod.spec.initContainers?.length ?? 0}`;
    return true;
  }
  return false;
}

/** The first container that is not running names the state. */
function tallyRegular(pod: Pod, tally: Tally): void {
  let running = false;
  for (const container of (pod.status?.containerStatuses ?? []).toReversed()) {
    countRestarts(container, tally);
    const { terminated, waiting } = container.state ?? {};
    if (waiting?.reason !== undefined && waiting.reason !== '') tally.status = waiting.reason;
    else if (terminated !== undefined) tally.status = endWord(terminated);
    else if (container.ready && container.state?.running !== undefined) {
      running = true;
      tally.ready++;
    }
  }
  if (tally.status !== 'Completed' || !running) return;
  tally.status = isConditionTrue(pod.status?.conditions, 'Ready') ? 'Running' : 'NotReady';
}

function endWord(terminated: { reason?: string | undefined; signal?: number | undefined; exitCode: number }): string {
  if (terminated.reason !== undefined && terminated.reason !== '') return terminated.reason;
  return terminated.signal ? `Signal:${terminated.signal}` : `ExitCode:${terminated.exitCode}`;
}

function countRestarts(container: ContainerStatus, tally: Tally): void {
  tally.restarts += container.restartCount ?? 0;
  const finished = container.lastState?.terminated?.finishedAt;
  const at = finished === undefined ? Number.NaN : Date.parse(finished);
  if (at > (tally.lastRestartMs ?? 0)) tally.lastRestartMs = at;
}
