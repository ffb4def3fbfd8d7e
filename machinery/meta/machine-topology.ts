/** How processors and memory of a machine lie to each other, in plain words: read by agent/host, decided on by plans. */
import type { CpuSet } from './cpu-set.ts';

/** Where one processor (hardware thread) is. */
export interface CpuPlace {
  readonly cpu: number;
  /** The lowest processor of its core: so no two cores of the machine share it, unlike the kernel's core_id. */
  readonly core: number;
  readonly socket: number;
  readonly numaNode: number;
  /** The lowest processor that shares its last level cache. */
  readonly uncoreCache: number;
}

/** One NUMA node and its memory. */
export interface NumaNode {
  readonly id: number;
  readonly cpus: CpuSet;
  /** With huge pages, as the kernel counts `MemTotal`. */
  readonly memoryBytes: number;
  /** Bytes reserved as huge pages, by resource name (`hugepages-2Mi`). */
  readonly hugePages: ReadonlyMap<string, number>;
  /** To every node in the order of their ids; 10 to itself. Empty if the firmware does not tell. */
  readonly distances: readonly number[];
}

export interface MachineTopology {
  /** Ascending by processor. Those that are online. */
  readonly cpus: readonly CpuPlace[];
  /** Ascending by id; at least one. */
  readonly nodes: readonly NumaNode[];
}
