/**
 * Measures what the node and its pods use: containers by the runtime's answer, pods and the machine by their control groups.
 *
 * - Nothing is measured while nobody asks; who asks while it measures gets the same sample.
 * - A pod's rate is over the time since the sample before (`CpuRates`).
 * - A runtime that does not answer costs the containers, not the rest: the sample says that it is not `complete`.
 */
import type { Decoded } from '../../../proto/decoded.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { ContainerStats } from '../../../proto/cri/runtime.gen.ts';
import { parseQuantity } from '../../../machinery/meta/quantity.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { CgroupLayout } from '../../host/cgroup-layout.ts';
import { readCgroupDetails } from '../../host/cgroup-details.ts';
import { readCgroupStats, type CgroupStats } from '../../host/cgroup-stats.ts';
import { firstCgroupProcess } from '../../host/cgroup-tree.ts';
import type { MachineInfo } from '../../host/machine-info.ts';
import { bootTimeMs, readMachineUsage, readMaxTasks } from '../../host/machine-usage.ts';
import { readNetworkCounters } from '../../host/network-counters.ts';
import { findContainer, uidOf } from '../plan/pod-spec.ts';
import type { ContainerView, PodView } from '../plan/pod-view.ts';
import type { RuntimeService } from '../runtime/runtime-service.ts';
import type { PodAccess } from '../server/pod-access.ts';
import { CpuRates } from './cpu-rates.ts';
import {
  containerGroup,
  type ContainerSample,
  type CpuSample,
  type Details,
  type MemorySample,
  type NodeSample,
  type PodSample,
} from './plan/sample.ts';

export interface NodeSamplerOptions {
  readonly runtime: RuntimeService;
  readonly access: PodAccess;
  /** The pod's control group below the mount point. */
  readonly cgroupOf: (pod: Pod) => string;
  readonly layout: CgroupLayout;
  /** The group of all pods, below the mount point, and what it may use of memory. */
  readonly podsCgroup: string;
  readonly podsMemoryBytes: number;
  readonly machine: MachineInfo;
  readonly nodeName: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

const RUNTIME_MS = 10_000;

export class NodeSampler {
  private readonly options: NodeSamplerOptions;
  private readonly rates = new CpuRates();
  private running: Promise<NodeSample> | undefined;

  constructor(options: NodeSamplerOptions) {
    this.options = options;
  }

  sample(): Promise<NodeSample> {
    return (this.running ??= this.measure().finally(() => (this.running = undefined)));
  }

  /** Of the machine, of pods and of containers. */
  async details(node: NodeSample): Promise<Details> {
    const groups = node.pods
      .filter(({ cgroup }) => cgroup !== '')
      .flatMap(pod => [pod.cgroup, ...pod.containers.map(container => containerGroup(pod, container))]);
    const read = ['/', ...groups].map(
      async path => [path, await readCgroupDetails(this.options.layout, path)] as const,
    );
    return new Map(await Promise.all(read));
  }

  private async measure(): Promise<NodeSample> {
    const { access, layout, machine, nodeName, clock } = this.options;
    const keys = new Set<string>();
    const pods = new Map(access.pods().map(pod => [uidOf(pod), pod]));
    const { podsCgroup, podsMemoryBytes } = this.options;
    const [stats, usage, ofPods, interfaces, maxProcesses] = await Promise.all([
      this.containerStats(),
      readMachineUsage(layout),
      readCgroupStats(layout, podsCgroup),
      readNetworkCounters('self'),
      readMaxTasks(),
    ]);
    const timeMs = clock.now();
    const cpu = this.cpuOf('node', timeMs, usage, keys);
    const podsCpu = this.cpuOf('pods', timeMs, ofPods, keys);
    const samples = await Promise.all(
      access.runningPods().map(view => this.pod(view, pods.get(view.uid), stats ?? new Map(), keys)),
    );
    this.rates.keep(keys);
    return {
      nodeName,
      timeMs,
      bootedAtMs: bootTimeMs(timeMs),
      cpuCount: machine.cpuCount,
      memoryBytes: machine.memoryBytes,
      swapBytes: machine.swapBytes,
      cpu,
      memory: memoryOf(timeMs, usage),
      processes: usage?.pids,
      maxProcesses,
      interfaces,
      pods: samples,
      podsGroup:
        ofPods === undefined
          ? undefined
          : { cpu: podsCpu, memory: memoryOf(timeMs, ofPods), limitBytes: podsMemoryBytes },
      complete: stats !== undefined,
    };
  }

  /** By container id; undefined when the runtime does not tell. */
  private async containerStats(): Promise<ReadonlyMap<string, Decoded<ContainerStats>> | undefined> {
    try {
      const all = await this.options.runtime.listContainerStats({}, { timeoutMs: RUNTIME_MS });
      return new Map(all.map(stats => [stats.attributes?.id ?? '', stats]));
    } catch (error) {
      this.options.logger.warn({ err: error }, 'The container runtime does not say what containers use');
      return undefined;
    }
  }

  private async pod(
    view: PodView,
    pod: Pod | undefined,
    stats: ReadonlyMap<string, Decoded<ContainerStats>>,
    keys: Set<string>,
  ): Promise<PodSample> {
    const { layout, cgroupOf, clock } = this.options;
    const cgroup = pod === undefined ? '' : cgroupOf(pod);
    const usage = cgroup === '' ? undefined : await readCgroupStats(layout, cgroup);
    const timeMs = clock.now();
    // On the host's network a pod has no traffic of its own.
    const inside = usage === undefined || pod?.spec.hostNetwork === true ? undefined : await this.processOf(cgroup);
    const [sandbox] = view.sandboxes;
    return {
      namespace: view.namespace,
      name: view.name,
      uid: view.uid,
      startedAtMs: sandbox?.createdAtMs ?? 0,
      sandboxId: sandbox?.id ?? '',
      cgroup,
      cpu: this.cpuOf(`pod/${view.uid}`, timeMs, usage, keys),
      memory: memoryOf(timeMs, usage),
      processes: usage?.pids,
      interfaces: inside === undefined ? [] : await readNetworkCounters(inside),
      containers: view.containers
        .filter(container => container.state === 'running')
        .map(container => this.container(container, pod, stats.get(container.id), keys)),
    };
  }

  private processOf(cgroup: string): Promise<number | undefined> {
    return firstCgroupProcess(this.options.layout, cgroup);
  }

  private container(
    view: ContainerView,
    pod: Pod | undefined,
    stats: Decoded<ContainerStats> | undefined,
    keys: Set<string>,
  ): ContainerSample {
    const spec = pod === undefined ? undefined : findContainer(pod, view.name)?.container;
    const limit = spec?.resources?.limits?.['memory'];
    const layer = stats?.writableLayer;
    return {
      name: view.name,
      id: view.id,
      image: view.image,
      startedAtMs: view.startedAtMs,
      cpu: this.containerCpu(view.id, stats, keys),
      memory: containerMemory(stats),
      memoryLimitBytes: limit === undefined ? undefined : parseQuantity(limit).toNumber(),
      writableLayer:
        layer?.usedBytes === undefined
          ? undefined
          : { usedBytes: Number(layer.usedBytes.value), inodesUsed: Number(layer.inodesUsed?.value ?? 0n) },
    };
  }

  private containerCpu(
    id: string,
    stats: Decoded<ContainerStats> | undefined,
    keys: Set<string>,
  ): CpuSample | undefined {
    const used = stats?.cpu?.usageCoreNanoSeconds?.value;
    if (stats?.cpu === undefined || used === undefined) return undefined;
    return this.cpu(`container/${id}`, millis(stats.cpu.timestamp), Number(used), keys);
  }

  private cpuOf(key: string, timeMs: number, usage: CgroupStats | undefined, keys: Set<string>): CpuSample | undefined {
    const used = usage?.cpuUsageNanos;
    return used === undefined ? undefined : this.cpu(key, timeMs, Number(used), keys);
  }

  private cpu(key: string, timeMs: number, nanos: number, keys: Set<string>): CpuSample {
    keys.add(key);
    return { timeMs, usageCoreNanoSeconds: nanos, usageNanoCores: this.rates.observe(key, timeMs, nanos) };
  }
}

function memoryOf(timeMs: number, usage: CgroupStats | undefined): MemorySample | undefined {
  if (usage?.memoryUsageBytes === undefined) return undefined;
  return {
    timeMs,
    usageBytes: usage.memoryUsageBytes,
    workingSetBytes: usage.memoryWorkingSetBytes,
    rssBytes: usage.memoryRssBytes,
    pageFaults: usage.pageFaults,
    majorPageFaults: usage.majorPageFaults,
    swapBytes: usage.swapBytes,
  };
}

function containerMemory(stats: Decoded<ContainerStats> | undefined): MemorySample | undefined {
  const memory = stats?.memory;
  if (memory?.workingSetBytes === undefined) return undefined;
  const number = (value: { value: bigint } | undefined): number | undefined =>
    value === undefined ? undefined : Number(value.value);
  return {
    timeMs: millis(memory.timestamp),
    usageBytes: number(memory.usageBytes),
    workingSetBytes: number(memory.workingSetBytes),
    rssBytes: number(memory.rssBytes),
    pageFaults: number(memory.pageFaults),
    majorPageFaults: number(memory.majorPageFaults),
    swapBytes: number(stats?.swap?.swapUsageBytes),
  };
}

function millis(nanos: bigint): number {
  return Number(nanos / 1_000_000n);
}
