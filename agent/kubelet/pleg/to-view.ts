/** CRI messages in the kubelet's own words. */
import type { LinuxContainerUser as LinuxUser } from '../../../proto/api/core-v1.ts';
import type {
  ContainerStatus,
  LinuxContainerResources,
  LinuxContainerUser,
  PodSandbox,
  PodSandboxStatus,
} from '../../../proto/cri/runtime.gen.ts';
import { ContainerState, PodSandboxState } from '../../../proto/cri/runtime.gen.ts';
import type { IpFamily } from '../../../machinery/meta/ip-number.ts';
import type { Decoded } from '../../../proto/decoded.ts';
import type { ActualResources } from '../allocations/plan/applied-resources.ts';
import { CRI_KEYS } from '../plan/cri-labels.ts';
import { CPU_PERIOD_US } from '../plan/linux-resources.ts';
import { podAddresses } from '../plan/pod-addresses.ts';
import type { ContainerView, ContainerViewState, SandboxView } from '../plan/pod-view.ts';
import { signalName } from '../plan/stop-signal.ts';

const NANOS_PER_MS = 1_000_000n;

/** Nanoseconds since the epoch to milliseconds. */
function toMs(nanos: bigint): number {
  return Number(nanos / NANOS_PER_MS);
}

export function stateOf(state: ContainerState | undefined): ContainerViewState {
  switch (state) {
    case ContainerState.CONTAINER_CREATED:
    case undefined:
      return 'created';
    case ContainerState.CONTAINER_RUNNING:
      return 'running';
    case ContainerState.CONTAINER_EXITED:
      return 'exited';
    default:
      return 'unknown';
  }
}

/** @param terminationMessage read from the container's file or log; '' for none */
export function toContainerView(
  status: Decoded<ContainerStatus>,
  sandboxId: string,
  terminationMessage: string,
): ContainerView {
  const { annotations } = status;
  const linux = status.resources?.linux;
  const user = status.user?.linux;
  const stopSignal = signalName(status.stopSignal);
  const recursive = status.mounts.filter(mount => mount.recursiveReadOnly).map(mount => mount.containerPath);
  return {
    id: status.id,
    name: status.labels[CRI_KEYS.containerName] ?? status.metadata?.name ?? '',
    sandboxId,
    state: stateOf(status.state),
    attempt: Number(annotations[CRI_KEYS.restartCount] ?? status.metadata?.attempt ?? 0),
    image: status.image?.image ?? '',
    imageRef: status.imageRef,
    createdAtMs: toMs(status.createdAt),
    startedAtMs: toMs(status.startedAt),
    finishedAtMs: toMs(status.finishedAt),
    exitCode: status.exitCode,
    reason: status.reason,
    message: terminationMessage === '' ? status.message : terminationMessage,
    hash: annotations[CRI_KEYS.hash] ?? '',
    logPath: status.logPath,
    annotations,
    ...(linux === undefined ? {} : { resources: toResources(linux) }),
    ...(user === undefined ? {} : { user: { linux: toUser(user) } }),
    ...(stopSignal === undefined ? {} : { stopSignal }),
    ...(recursive.length === 0 ? {} : { recursivelyReadOnly: recursive }),
  };
}

function toUser({ uid, gid, supplementalGroups }: Decoded<LinuxContainerUser>): LinuxUser {
  return { uid: Number(uid), gid: Number(gid), supplementalGroups: supplementalGroups.map(Number) };
}

/** Runtimes leave out what they do not know. */
function toResources(linux: Decoded<LinuxContainerResources>): ActualResources {
  const quotaUs = linux.cpuPeriod > 0n ? (linux.cpuQuota * BigInt(CPU_PERIOD_US)) / linux.cpuPeriod : 0n;
  return {
    ...(linux.cpuShares > 0n ? { cpuShares: Number(linux.cpuShares) } : {}),
    ...(quotaUs > 0n ? { cpuQuotaUs: Number(quotaUs) } : {}),
    ...(linux.memoryLimitInBytes > 0n ? { memoryLimitBytes: Number(linux.memoryLimitInBytes) } : {}),
  };
}

/** @param primary family of the node's first address */
export function toSandboxView(status: Decoded<PodSandboxStatus>, primary: IpFamily): SandboxView {
  const first = status.network?.ip ?? '';
  const more = (status.network?.additionalIps ?? []).map(({ ip }) => ip);
  return {
    id: status.id,
    attempt: status.metadata?.attempt ?? 0,
    ready: status.state === PodSandboxState.SANDBOX_READY,
    createdAtMs: toMs(status.createdAt),
    ips: podAddresses([first, ...more], primary),
  };
}

/** Whose sandbox or container it is, by its labels; undefined if it is no pod's of ours. */
export function podIdentity(
  labels: Readonly<Record<string, string>>,
): { uid: string; namespace: string; name: string } | undefined {
  const uid = labels[CRI_KEYS.podUid];
  if (uid === undefined || uid === '') return undefined;
  return { uid, namespace: labels[CRI_KEYS.podNamespace] ?? '', name: labels[CRI_KEYS.podName] ?? '' };
}

/** Whether a sandbox in a list is ready. */
export function isReady(sandbox: Decoded<PodSandbox>): boolean {
  return sandbox.state === PodSandboxState.SANDBOX_READY;
}
