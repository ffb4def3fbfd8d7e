/** Answers of the pod resources API. Source: `pkg/kubelet/apis/podresources` 1.36. */
import type { Pod } from '../../../../proto/api/core-v1.ts';
import type {
  AllocatableResourcesResponse,
  ContainerDevices,
  ContainerMemory,
  ContainerResources,
  PodResources,
  TopologyInfo,
} from '../../../../proto/plugins/pod-resources/pod-resources.gen.ts';
import { isSidecar, isTerminalPhase } from '../../plan/pod-spec.ts';
import type { CpuSet } from '../../../../machinery/meta/cpu-set.ts';
import { idsOf, NOWHERE, type DeviceGrant, type DeviceResource } from './device-state.ts';
import type { MemoryBlock, NodeMemoryState } from './memory-static.ts';
import { nodesOf } from './numa-mask.ts';

/** Who has what, as the managers know it. */
export interface Holdings {
  readonly devicesOf: (uid: string, container: string) => ReadonlyMap<string, DeviceGrant>;
  readonly cpusOf: (uid: string, container: string) => CpuSet;
  readonly memoryOf: (uid: string, container: string) => readonly MemoryBlock[];
}

/** What the node has for containers alone, in use or not. */
export interface Stock {
  readonly devices: ReadonlyMap<string, DeviceResource>;
  readonly cpus: CpuSet;
  readonly memory: ReadonlyMap<number, NodeMemoryState>;
}

/** Pods that have not ended; each with its sidecars and main containers. */
export function listAnswer(pods: readonly Pod[], holdings: Holdings): PodResources[] {
  return pods.filter(pod => !isTerminalPhase(pod.status?.phase)).map(pod => podAnswer(pod, holdings));
}

export function podAnswer({ metadata, spec }: Pod, holdings: Holdings): PodResources {
  const { name = '', namespace = '', uid = '' } = metadata;
  const containers = [...(spec.initContainers ?? []).filter(isSidecar), ...spec.containers];
  return { name, namespace, containers: containers.map(container => containerAnswer(uid, container.name, holdings)) };
}

export function stockAnswer({ devices, cpus, memory }: Stock): AllocatableResourcesResponse {
  const ofDevices = [...devices].flatMap(([resource, { devices: all, connected }]) =>
    [...all.values()]
      .filter(device => device.healthy && connected)
      .map(device => deviceAnswer(resource, device.id, device.nodes)),
  );
  const ofMemory = [...memory].flatMap(([node, { byResource }]) =>
    [...byResource]
      .filter(([, { allocatable }]) => allocatable > 0)
      .map(([memoryType, { allocatable }]) => ({ memoryType, size: allocatable, topology: topologyOf([node]) })),
  );
  return { devices: ofDevices, cpuIds: [...cpus], memory: ofMemory };
}

function containerAnswer(uid: string, name: string, holdings: Holdings): ContainerResources {
  const devices = [...holdings.devicesOf(uid, name)].flatMap(([resource, grant]) =>
    idsOf(grant).map(id => deviceAnswer(resource, id, placesOf(grant, id))),
  );
  const memory: ContainerMemory[] = holdings
    .memoryOf(uid, name)
    .map(({ resource, bytes, nodes }) => ({ memoryType: resource, size: bytes, topology: topologyOf(nodesOf(nodes)) }));
  return { name, devices, cpuIds: [...holdings.cpusOf(uid, name)], memory };
}

function placesOf({ byNode }: DeviceGrant, id: string): number[] {
  return [...byNode].filter(([node, ids]) => node !== NOWHERE && ids.includes(id)).map(([node]) => node);
}

/** One entry a device, as upstream. */
function deviceAnswer(resourceName: string, id: string, nodes: readonly number[]): ContainerDevices {
  const topology = nodes.length === 0 ? {} : { topology: topologyOf(nodes) };
  return { resourceName, deviceIds: [id], ...topology };
}

function topologyOf(nodes: readonly number[]): TopologyInfo {
  return { nodes: nodes.map(ID => ({ ID })) };
}
