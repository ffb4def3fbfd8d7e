/**
 * `/stats/summary`: a sample in the words of stats.k8s.io/v1alpha1. Pure.
 * Source: kubernetes `staging/src/k8s.io/kubelet/pkg/apis/stats/v1alpha1/types.go`.
 */
import type { CgroupDetails, PressureStall } from '../../../../machinery/meta/cgroup-details.ts';
import { formatTime } from '../../../../machinery/meta/time.ts';
import {
  containerGroup,
  type ContainerSample,
  type CpuSample,
  type Details,
  type DiskSample,
  type FsSample,
  type InterfaceSample,
  type MemorySample,
  type NodeSample,
  type PodSample,
} from './sample.ts';

/** What is dearer to find than processors and memory. */
export interface SummaryRest {
  readonly disk: DiskSample;
  readonly details: Details;
}

/** @param rest undefined where the client wants processors and memory alone (`?only_cpu_and_memory=true`) */
export function summary(node: NodeSample, rest: SummaryRest | undefined): object {
  const whole = rest?.details.get('/');
  return {
    node: {
      nodeName: node.nodeName,
      systemContainers: systemContainers(node),
      startTime: formatTime(node.bootedAtMs),
      ...cpuAndMemory(node.cpu, node.memory, node.memoryBytes, whole),
      ...(rest === undefined
        ? {}
        : { ...nodeRest(node, rest.disk), ...io(node.timeMs, whole), ...swap(node.memory, node.swapBytes) }),
    },
    pods: node.pods.map(pod => podStats(pod, rest)),
  };
}

/** All pods together, against what they may have. */
function systemContainers({ podsGroup, bootedAtMs }: NodeSample): object[] {
  if (podsGroup === undefined) return [];
  const { cpu, memory, limitBytes } = podsGroup;
  return [{ name: 'pods', startTime: formatTime(bootedAtMs), ...cpuAndMemory(cpu, memory, limitBytes, undefined) }];
}

function nodeRest(node: NodeSample, disk: DiskSample): object {
  return {
    network: network(node.timeMs, node.interfaces),
    ...(disk.node === undefined ? {} : { fs: fs(disk.node) }),
    ...(disk.images === undefined
      ? {}
      : { runtime: { imageFs: fs(disk.images), containerFs: fs(disk.containers ?? disk.images) } }),
    ...(node.maxProcesses === undefined
      ? {}
      : { rlimit: { time: formatTime(node.timeMs), maxpid: node.maxProcesses, curproc: node.processes } }),
  };
}

function podStats(pod: PodSample, rest: SummaryRest | undefined): object {
  const { namespace, name, uid } = pod;
  const details = rest?.details.get(pod.cgroup);
  const base = {
    podRef: { name, namespace, uid },
    startTime: formatTime(pod.startedAtMs),
    containers: pod.containers.map(container => containerStats(pod, container, rest)),
    ...cpuAndMemory(pod.cpu, pod.memory, undefined, details),
  };
  if (rest === undefined) return base;
  const { disk } = rest;
  const volumes = disk.volumes.get(uid) ?? [];
  const all = [
    ...volumes.map(volume => ({ ...fs(volume), name: volume.name })),
    ...(disk.elsewhere.get(uid) ?? []).map(({ claim, abnormal, ...volume }) => ({
      ...fs(volume),
      ...(claim === undefined ? {} : { pvcRef: claim }),
      ...(abnormal === undefined ? {} : { volumeHealthStats: { abnormal } }),
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
    ...io(pod.cpu?.timeMs ?? 0, details),
    ...swap(pod.memory, undefined),
    ...(pod.interfaces.length === 0 ? {} : { network: network(pod.cpu?.timeMs ?? 0, pod.interfaces) }),
    ...(all.length === 0 ? {} : { volume: all }),
    'ephemeral-storage': fs({ ...ephemeral, inodesUsed: sum(p => p.inodesUsed) }),
    ...(pod.processes === undefined ? {} : { process_stats: { process_count: pod.processes } }),
  };
}

function containerStats(pod: PodSample, container: ContainerSample, rest: SummaryRest | undefined): object {
  const { cpu, memory, memoryLimitBytes, writableLayer: layer } = container;
  const details = rest?.details.get(containerGroup(pod, container));
  const images = rest?.disk.images;
  const logs = rest?.disk.logs.get(`${pod.uid}/${container.name}`);
  return {
    name: container.name,
    startTime: formatTime(container.startedAtMs),
    ...cpuAndMemory(cpu, memory, memoryLimitBytes, details),
    ...io(cpu?.timeMs ?? 0, details),
    ...(rest === undefined ? {} : swap(memory, undefined)),
    ...(rest === undefined || layer === undefined
      ? {}
      : { rootfs: fs({ ...images, timeMs: cpu?.timeMs ?? images?.timeMs ?? 0, ...layer }) }),
    ...(logs === undefined ? {} : { logs: fs(logs) }),
  };
}

function cpuAndMemory(
  cpu: CpuSample | undefined,
  memory: MemorySample | undefined,
  limitBytes: number | undefined,
  details: CgroupDetails | undefined,
): object {
  return {
    ...(cpu === undefined
      ? {}
      : {
          cpu: {
            time: formatTime(cpu.timeMs),
            ...(cpu.usageNanoCores === undefined ? {} : { usageNanoCores: cpu.usageNanoCores }),
            usageCoreNanoSeconds: cpu.usageCoreNanoSeconds,
            ...psi(details?.pressure.cpu),
          },
        }),
    ...(memory === undefined
      ? {}
      : { memory: { ...memoryStats(memory, limitBytes), ...psi(details?.pressure.memory) } }),
  };
}

function psi(pressure: PressureStall | undefined): object {
  return pressure === undefined ? {} : { psi: { full: pressure.full, some: pressure.some } };
}

function io(timeMs: number, details: CgroupDetails | undefined): object {
  const pressure = details?.pressure.io;
  return pressure === undefined ? {} : { io: { time: formatTime(timeMs), ...psi(pressure) } };
}

/** @param totalBytes of the machine; groups are told what they use alone */
function swap(memory: MemorySample | undefined, totalBytes: number | undefined): object {
  if (memory?.swapBytes === undefined) return {};
  const { timeMs, swapBytes } = memory;
  const available = totalBytes === undefined ? {} : { swapAvailableBytes: Math.max(0, totalBytes - swapBytes) };
  return { swap: { time: formatTime(timeMs), ...available, swapUsageBytes: swapBytes } };
}

function memoryStats({ timeMs, swapBytes: _, ...memory }: MemorySample, limitBytes: number | undefined): object {
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
