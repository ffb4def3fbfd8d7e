/**
 * The Node that a kubelet registers and the status that it writes. Pure: facts come in.
 * Source: kubernetes.io/docs, "Nodes", "Node Status"; `pkg/kubelet/nodestatus/setters.go` 1.36.
 */
import type {
  ContainerImage,
  Node,
  NodeAddress,
  NodeCondition,
  NodeRuntimeHandler,
  NodeStatus,
  NodeSystemInfo,
  ResourceList,
  Taint,
} from '../../../proto/api/core-v1.ts';
import { Quantity } from '../../../machinery/meta/quantity.ts';
import { rfc3339 } from './time-format.ts';

/** What stays the same until the kubelet restarts. */
export interface NodeFacts {
  readonly nodeName: string;
  readonly addresses: readonly NodeAddress[];
  readonly systemInfo: NodeSystemInfo;
  readonly cpuCount: number;
  readonly memoryBytes: number;
  /** Bytes by resource name: `hugepages-2Mi`. */
  readonly hugePages: ReadonlyMap<string, number>;
  readonly maxPods: number;
  readonly kubeletPort: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  readonly providerId: string | undefined;
  /** What of the capacity is left for pods. */
  readonly allocatable: (capacity: ResourceList) => ResourceList;
}

/** What changes. */
export interface NodeObservation {
  readonly diskBytes: number;
  /** As node-images.ts makes them. */
  readonly images: readonly ContainerImage[];
  readonly runtimeHandlers: readonly NodeRuntimeHandler[];
  readonly volumesInUse: readonly string[];
  /** What device plugins give. */
  readonly plugins: { readonly capacity: ResourceList; readonly allocatable: ResourceList };
  /** Why the node is not ready, in sentences; none: it is. */
  readonly notReady: readonly string[];
  readonly pressure: { readonly memory: boolean; readonly disk: boolean; readonly pid: boolean };
  readonly nowMs: number;
}

/** The labels every node has. */
export function nodeLabels(facts: NodeFacts): Record<string, string> {
  const { architecture, operatingSystem } = facts.systemInfo;
  return {
    ...facts.labels,
    'kubernetes.io/hostname': facts.labels['kubernetes.io/hostname'] ?? facts.nodeName,
    'kubernetes.io/os': operatingSystem,
    'kubernetes.io/arch': architecture,
    'beta.kubernetes.io/os': operatingSystem,
    'beta.kubernetes.io/arch': architecture,
  };
}

/** The object to create. */
export function newNode(facts: NodeFacts): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: facts.nodeName,
      labels: nodeLabels(facts),
      annotations: { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' },
    },
    spec: {
      ...(facts.taints.length === 0 ? {} : { taints: [...facts.taints] }),
      ...(facts.providerId === undefined ? {} : { providerID: facts.providerId }),
    },
  };
}

/** The status to write; entries that others wrote (extended resources, conditions) survive. */
export function nodeStatus(facts: NodeFacts, seen: NodeObservation, older: NodeStatus | undefined): NodeStatus {
  const capacity: ResourceList = {
    ...machineAmounts(facts),
    'ephemeral-storage': `${Math.floor(seen.diskBytes / 1024)}Ki`,
    pods: String(facts.maxPods),
  };
  return {
    capacity: { ...older?.capacity, ...capacity, ...seen.plugins.capacity },
    allocatable: {
      ...older?.capacity,
      ...older?.allocatable,
      ...facts.allocatable(capacity),
      ...seen.plugins.allocatable,
    },
    addresses: [...facts.addresses],
    conditions: mergeNodeConditions(older?.conditions, conditionsOf(seen), seen.nowMs),
    daemonEndpoints: { kubeletEndpoint: { Port: facts.kubeletPort } },
    nodeInfo: { ...facts.systemInfo },
    images: [...seen.images],
    ...(seen.runtimeHandlers.length === 0 ? {} : { runtimeHandlers: [...seen.runtimeHandlers] }),
    ...(seen.volumesInUse.length === 0 ? {} : { volumesInUse: [...seen.volumesInUse] }),
  };
}

/** Processors, memory and huge pages, as the node's capacity tells them. */
export function machineAmounts({
  cpuCount,
  memoryBytes,
  hugePages,
}: Pick<NodeFacts, 'cpuCount' | 'memoryBytes' | 'hugePages'>): Record<string, string> {
  const pages = [...hugePages].map(([name, bytes]) => [name, Quantity.of(bytes, 'BinarySI').toString()] as const);
  return { cpu: String(cpuCount), memory: `${Math.floor(memoryBytes / 1024)}Ki`, ...Object.fromEntries(pages) };
}

function conditionsOf({ notReady, pressure }: NodeObservation): NodeCondition[] {
  const pressureOf = (type: string, is: boolean, has: string, hasNot: string, kubelet: string): NodeCondition => ({
    type,
    status: is ? 'True' : 'False',
    reason: is ? `KubeletHas${kubelet}` : hasNot,
    message: is ? `kubelet has ${has}` : `kubelet has ${sentence(hasNot)}`,
  });
  const ready = notReady.length === 0;
  return [
    pressureOf(
      'MemoryPressure',
      pressure.memory,
      'insufficient memory available',
      'KubeletHasSufficientMemory',
      'InsufficientMemory',
    ),
    pressureOf('DiskPressure', pressure.disk, 'disk pressure', 'KubeletHasNoDiskPressure', 'DiskPressure'),
    pressureOf('PIDPressure', pressure.pid, 'insufficient PID available', 'KubeletHasSufficientPID', 'InsufficientPID'),
    {
      type: 'Ready',
      status: ready ? 'True' : 'False',
      reason: ready ? 'KubeletReady' : 'KubeletNotReady',
      message: ready ? 'kubelet is posting ready status' : notReady.join(', '),
    },
  ];
}

function sentence(reason: string): string {
  switch (reason) {
    case 'KubeletHasSufficientMemory':
      return 'sufficient memory available';
    case 'KubeletHasNoDiskPressure':
      return 'no disk pressure';
    default:
      return 'sufficient PID available';
  }
}

function mergeNodeConditions(
  older: readonly NodeCondition[] | undefined,
  ours: readonly NodeCondition[],
  nowMs: number,
): NodeCondition[] {
  const now = rfc3339(nowMs);
  const merged = ours.map(condition => {
    const old = older?.find(c => c.type === condition.type);
    const since = old !== undefined && old.status === condition.status ? (old.lastTransitionTime ?? now) : now;
    return { ...condition, lastHeartbeatTime: now, lastTransitionTime: since };
  });
  return [...(older ?? []).filter(old => !ours.some(c => c.type === old.type)), ...merged];
}

/** Whether anything but heartbeat times differs. */
export function withoutHeartbeats(status: NodeStatus): NodeStatus {
  return {
    ...status,
    conditions: (status.conditions ?? []).map(({ lastHeartbeatTime: _, ...condition }) => condition),
  };
}
