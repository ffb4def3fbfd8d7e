/**
 * The Node that a kubelet registers and the status that it writes. Pure: facts come in.
 * Source: kubernetes.io/docs, "Nodes", "Node Status"; `pkg/kubelet/nodestatus/setters.go` 1.36.
 */
import type {
  ContainerImage,
  Node,
  NodeAddress,
  NodeFeatures,
  NodeRuntimeHandler,
  NodeStatus,
  NodeSystemInfo,
  ResourceList,
  Taint,
} from '../../../../proto/api/core-v1.ts';
import { Quantity } from '../../../../machinery/meta/quantity.ts';
import { mergeNodeConditions, nodeConditions, type NodeHealth } from './node-conditions.ts';

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
export interface NodeObservation extends NodeHealth {
  readonly diskBytes: number;
  /** As node-images.ts makes them. */
  readonly images: readonly ContainerImage[];
  readonly runtimeHandlers: readonly NodeRuntimeHandler[];
  /** Of the runtime as a whole; undefined where it says nothing. */
  readonly features: NodeFeatures | undefined;
  readonly volumesInUse: readonly string[];
  /** What device plugins give. */
  readonly plugins: { readonly capacity: ResourceList; readonly allocatable: ResourceList };
  readonly nowMs: number;
}

/** Who attaches volumes to the node: always the control plane. */
const ATTACH_ANNOTATION = 'volumes.kubernetes.io/controller-managed-attach-detach';

/** The labels every node has. */
export function nodeLabels(facts: NodeFacts): Record<string, string> {
  const { architecture, operatingSystem } = facts.systemInfo;
  return {
    'kubernetes.io/hostname': facts.nodeName,
    'kubernetes.io/os': operatingSystem,
    'kubernetes.io/arch': architecture,
    'beta.kubernetes.io/os': operatingSystem,
    'beta.kubernetes.io/arch': architecture,
    ...facts.labels,
  };
}

/** The object to create. */
export function newNode(facts: NodeFacts): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: facts.nodeName, labels: nodeLabels(facts), annotations: { [ATTACH_ANNOTATION]: 'true' } },
    spec: {
      ...(facts.taints.length === 0 ? {} : { taints: [...facts.taints] }),
      ...(facts.providerId === undefined ? {} : { providerID: facts.providerId }),
    },
  };
}

/**
 * What a node that was registered before lacks, as a merge patch: labels, annotation and provider id are put back, taints are not.
 * Undefined when it lacks nothing.
 */
export function reregistration(facts: NodeFacts, { metadata, spec }: Node): object | undefined {
  const labels = Object.entries(nodeLabels(facts)).filter(([key, value]) => metadata.labels?.[key] !== value);
  const isAnnotated = metadata.annotations?.[ATTACH_ANNOTATION] === 'true';
  const hasProvider = facts.providerId === undefined || (spec?.providerID ?? '') !== '';
  if (labels.length === 0 && isAnnotated && hasProvider) return undefined;
  return {
    metadata: {
      ...(labels.length === 0 ? {} : { labels: Object.fromEntries(labels) }),
      ...(isAnnotated ? {} : { annotations: { [ATTACH_ANNOTATION]: 'true' } }),
    },
    ...(hasProvider ? {} : { spec: { providerID: facts.providerId } }),
  };
}

/** The status to write; entries that others wrote (extended resources, conditions) survive, and count: pods may use all of them. */
export function nodeStatus(facts: NodeFacts, seen: NodeObservation, older: NodeStatus | undefined): NodeStatus {
  const ours: ResourceList = {
    ...machineAmounts(facts),
    'ephemeral-storage': `${Math.floor(seen.diskBytes / 1024)}Ki`,
    pods: String(facts.maxPods),
  };
  const kept = foreignAmounts(older?.capacity ?? {});
  return {
    capacity: { ...kept, ...ours, ...seen.plugins.capacity },
    allocatable: { ...kept, ...facts.allocatable(ours), ...seen.plugins.allocatable },
    addresses: [...facts.addresses],
    conditions: mergeNodeConditions(older?.conditions, nodeConditions(seen), seen.nowMs),
    daemonEndpoints: { kubeletEndpoint: { Port: facts.kubeletPort } },
    nodeInfo: { ...facts.systemInfo },
    images: [...seen.images],
    ...(seen.runtimeHandlers.length === 0 ? {} : { runtimeHandlers: [...seen.runtimeHandlers] }),
    ...(seen.features === undefined ? {} : { features: seen.features }),
    ...(seen.volumesInUse.length === 0 ? {} : { volumesInUse: [...seen.volumesInUse] }),
  };
}

/** What others say that the node has. Sizes of huge pages are the machine's: one that it lost is gone. */
function foreignAmounts(amounts: ResourceList): ResourceList {
  return Object.fromEntries(Object.entries(amounts).filter(([name]) => !name.startsWith('hugepages-')));
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
