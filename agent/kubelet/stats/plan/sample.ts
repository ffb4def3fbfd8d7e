/**
 * What a node and its pods use at one moment, in plain words: measured by the sampler, rendered by the plans beside this one. Times are
 * milliseconds since the epoch; whatever the host does not count is undefined.
 */
import type { CgroupDetails } from '../../../../machinery/meta/cgroup-details.ts';

export interface CpuSample {
  readonly timeMs: number;
  /** Since the group was made. */
  readonly usageCoreNanoSeconds: number;
  /** Over the time since the sample before; undefined for the first. */
  readonly usageNanoCores: number | undefined;
}

export interface MemorySample {
  readonly timeMs: number;
  readonly usageBytes: number | undefined;
  /** Usage without file pages that could be dropped at once. */
  readonly workingSetBytes: number | undefined;
  readonly rssBytes: number | undefined;
  readonly pageFaults: number | undefined;
  readonly majorPageFaults: number | undefined;
  readonly swapBytes: number | undefined;
}

export interface InterfaceSample {
  readonly name: string;
  readonly rxBytes: number;
  readonly rxPackets: number;
  readonly rxErrors: number;
  readonly rxDropped: number;
  readonly txBytes: number;
  readonly txPackets: number;
  readonly txErrors: number;
  readonly txDropped: number;
}

export interface ContainerSample {
  readonly name: string;
  readonly id: string;
  readonly image: string;
  readonly startedAtMs: number;
  readonly cpu: CpuSample | undefined;
  readonly memory: MemorySample | undefined;
  /** `memory` of its limits; undefined: none. */
  readonly memoryLimitBytes: number | undefined;
  /** Of its writable layer. */
  readonly writableLayer: { readonly usedBytes: number; readonly inodesUsed: number } | undefined;
}

export interface PodSample {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly startedAtMs: number;
  readonly sandboxId: string;
  /** Of its control group, below the mount point. */
  readonly cgroup: string;
  readonly cpu: CpuSample | undefined;
  readonly memory: MemorySample | undefined;
  readonly processes: number | undefined;
  /** None on the host's network. */
  readonly interfaces: readonly InterfaceSample[];
  readonly containers: readonly ContainerSample[];
}

export interface NodeSample {
  readonly nodeName: string;
  readonly timeMs: number;
  readonly bootedAtMs: number;
  readonly cpuCount: number;
  readonly memoryBytes: number;
  /** 0 where no swap is on. */
  readonly swapBytes: number;
  readonly cpu: CpuSample | undefined;
  readonly memory: MemorySample | undefined;
  readonly processes: number | undefined;
  readonly maxProcesses: number | undefined;
  readonly interfaces: readonly InterfaceSample[];
  readonly pods: readonly PodSample[];
  /** All pods together. */
  readonly podsGroup:
    | { readonly cpu: CpuSample | undefined; readonly memory: MemorySample | undefined; readonly limitBytes: number }
    | undefined;
  /** Whether all that runs could be asked for. */
  readonly complete: boolean;
}

/** By control group, below the mount point: `/` is the machine. */
export type Details = ReadonlyMap<string, CgroupDetails>;

/** The group of a container, if the runtime makes it where it was told to. */
export function containerGroup(pod: Pick<PodSample, 'cgroup'>, container: Pick<ContainerSample, 'id'>): string {
  return `${pod.cgroup}/${container.id}`;
}

/** A file system, or what a directory takes of it. */
export interface FsSample {
  readonly timeMs: number;
  readonly capacityBytes?: number | undefined;
  readonly availableBytes?: number | undefined;
  readonly usedBytes?: number | undefined;
  readonly inodes?: number | undefined;
  readonly inodesFree?: number | undefined;
  readonly inodesUsed?: number | undefined;
}

/** What lies on disks: dearer to find than the rest, and only asked for by the summary. */
export interface DiskSample {
  readonly node: FsSample | undefined;
  readonly images: FsSample | undefined;
  /** Where containers' writable layers lie, if not with the images. */
  readonly containers: FsSample | undefined;
  /** By pod UID and container name: `UID/NAME`. */
  readonly logs: ReadonlyMap<string, FsSample>;
  /** By pod UID: its volumes on the node's own disk, which count as its ephemeral storage. */
  readonly volumes: ReadonlyMap<string, readonly (FsSample & { readonly name: string })[]>;
  /** By pod UID: its volumes elsewhere. */
  readonly elsewhere: ReadonlyMap<string, readonly VolumeSample[]>;
}

/** A volume that does not lie on the node's own disk. */
export interface VolumeSample extends FsSample {
  readonly name: string;
  /** The claim that it is, if it is one. */
  readonly claim: { readonly namespace: string; readonly name: string } | undefined;
  /** Whether its driver finds fault with it. */
  readonly abnormal?: boolean;
}
