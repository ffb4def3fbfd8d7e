/**
 * `/stats/summary`: a sample in the words of stats.k8s.io/v1alpha1. Pure.
 * Source: kubernetes `staging/src/k8s.io/kubelet/pkg/apis/stats/v1alpha1/types.go`.
 */
import { formatTime } from '../../../../machinery/meta/time.ts';
import type {
  ContainerSample,
  CpuSample,
  DiskSample,
  FsSample,
  InterfaceSample,
  MemorySample,
  NodeSample,
  PodSample,
} from './sample.ts';

/** @param disk undefined where the client wants processors and memory alone (`?only_cpu_and_memory=true`) */
export function summary(node: NodeSample, disk: DiskSample | undefined): object {
  return {
    node: {
      nodeName: node.nodeName,
      startTime: formatTime(node.bootedAtMs),
      ...cpuAndMemory(node.cpu, node.memory, node.memoryBytes),
      ...(disk === undefined ? {} : nodeRest(node, disk)),
    },
    pods: node.pods.map(pod => podStats(pod, disk)),
  };
}

function nodeRest(node: NodeSample, disk: DiskSample): object {
  return {
    network: network(node.timeMs, node.interfaces),
    ...(disk.node === undefined ? {} : { fs: fs(disk.node) }),
    ...(disk.images === undefined
      ? {}
      : { runtime: { imageFs: fs(disk.images), ...(disk.node === undefined ? {} : { containerFs: fs(disk.node) }) } }),
    ...(node.maxProcesses === undefined
      ? {}
      : { rlimit: { time: formatTime(node.timeMs), maxpid: node.maxProcesses, curproc: node.processes } }),
  };
}

function podStats(pod: PodSample, disk: DiskSample | undefined): object {
  const { namespace, name, uid } = pod;
  const base = {
    podRef: { name, namespace, uid },
    startTime: formatTime(pod.startedAtMs),
    containers: pod.containers.map(container => containerStats(pod, container, disk)),
    ...cpuAndMemory(pod.cpu, pod.memory, undefined),
  };
  if (disk === undefined) return base;
  const volumes = disk.volumes.get(uid) ?? [];
  const all = [
    ...volumes.map(volume => ({ ...fs(volume), name: volume.name })),
    ...(disk.elsewhere.get(uid) ?? []).map(({ claim, ...volume }) => ({
      ...fs(volume),
      ...(claim === undefined ? {} : { pvcRef: claim }),
      name: volume.name,
    })),
  ];
  const logs = pod.containers.flatMap(container => disk.logs.get(`${uid}/${container.name}`) ?? []);
  const layers = pod.containers.flatMap(container => container.writableLayer ?? []);
  const parts = [...volumes, ...logs, ...layers];
  const sum = (
    pick: (part: { usedBytes?: number | undefined; inodesUsed?: number | undefined }) => number | undefined,
  ) => parts.reduce((total, part) => total + (pick(part) ?? 0), 0);
  const ephemeral = { ...disk.node, timeMs: disk.node?.timeMs ?? 0, usedBytes: sum(p => p.usedBytes) };
  return {
    ...base,
    ...(pod.interfaces.length === 0 ? {} : { network: network(pod.cpu?.timeMs ?? 0, pod.interfaces) }),
    ...(all.length === 0 ? {} : { volume: all }),
    'ephemeral-storage': fs({ ...ephemeral, inodesUsed: sum(p => p.inodesUsed) }),
    ...(pod.processes === undefined ? {} : { process_stats: { process_count: pod.processes } }),
  };
}

function containerStats({ uid }: PodSample, container: ContainerSample, disk: DiskSample | undefined): object {
  const layer = container.writableLayer;
  const logs = disk?.logs.get(`${uid}/${container.name}`);
  return {
    name: container.name,
    startTime: formatTime(container.startedAtMs),
    ...cpuAndMemory(container.cpu, container.memory, container.memoryLimitBytes),
    ...(disk === undefined || layer === undefined
      ? {}
      : { rootfs: fs({ ...disk.images, timeMs: container.cpu?.timeMs ?? disk.images?.timeMs ?? 0, ...layer }) }),
    ...(logs === undefined ? {} : { logs: fs(logs) }),
  };
}

function cpuAndMemory(
  cpu: CpuSample | undefined,
  memory: MemorySample | undefined,
  limitBytes: number | undefined,
): object {
  return {
    ...(cpu === undefined
      ? {}
      : {
          cpu: {
            time: formatTime(cpu.timeMs),
            ...(cpu.usageNanoCores === undefined ? {} : { usageNanoCores: cpu.usageNanoCores }),
            usageCoreNanoSeconds: cpu.usageCoreNanoSeconds,
          },
        }),
    ...(memory === undefined ? {} : { memory: memoryStats(memory, limitBytes) }),
  };
}

function memoryStats({ timeMs, ...memory }: MemorySample, limitBytes: number | undefined): object {
  const { workingSetBytes } = memory;
  return {
    time: formatTime(timeMs),
    ...(limitBytes === undefined || workingSetBytes === undefined
      ? {}
      : { availableBytes: Math.max(0, limitBytes - workingSetBytes) }),
    ...memory,
  };
}

function network(timeMs: number, interfaces: readonly InterfaceSample[]): object {
  const stats = interfaces.map(({ name, rxBytes, rxErrors, txBytes, txErrors }) => ({
    name,
    rxBytes,
    rxErrors,
    txBytes,
    txErrors,
  }));
  return { time: formatTime(timeMs), ...(stats.find(({ name }) => name === 'eth0') ?? {}), interfaces: stats };
}

function fs(sample: FsSample): object {
  const { timeMs, availableBytes, capacityBytes, usedBytes, inodesFree, inodes, inodesUsed } = sample;
  return { time: formatTime(timeMs), availableBytes, capacityBytes, usedBytes, inodesFree, inodes, inodesUsed };
}
