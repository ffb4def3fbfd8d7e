/** What only dashboards ask of a control group: read when they do. */

/** On one block device, since the group was made. */
export interface DeviceIo {
  /** `/dev/vda`; '' where the kernel knows no name. */
  readonly device: string;
  readonly major: string;
  readonly minor: string;
  readonly readBytes: number;
  readonly writeBytes: number;
  readonly reads: number;
  readonly writes: number;
}

/** Shares of the time, in percent, over the last seconds; and how long in all, in microseconds. */
export interface PressureLine {
  readonly avg10: number;
  readonly avg60: number;
  readonly avg300: number;
  readonly total: number;
}

/** How long tasks waited: some of them, or all at once. */
export interface PressureStall {
  readonly some: PressureLine;
  readonly full: PressureLine;
}

/** How often the group's processor quota held it back. */
export interface CpuThrottling {
  readonly periods: number;
  readonly throttledPeriods: number;
  readonly throttledNanos: number;
}

/** A field is undefined where the host does not count it. */
export interface CgroupDetails {
  readonly cpuUserNanos: number | undefined;
  readonly cpuSystemNanos: number | undefined;
  readonly throttling: CpuThrottling | undefined;
  readonly cacheBytes: number | undefined;
  readonly mappedFileBytes: number | undefined;
  readonly swapBytes: number | undefined;
  readonly maxUsageBytes: number | undefined;
  /** How often the memory limit was hit. */
  readonly memoryFailures: number | undefined;
  readonly oomKills: number | undefined;
  readonly processes: number;
  readonly threads: number | undefined;
  /** Undefined: no limit. */
  readonly maxThreads: number | undefined;
  readonly io: readonly DeviceIo[];
  readonly pressure: Readonly<Partial<Record<PressureKind, PressureStall>>>;
}

export type PressureKind = 'cpu' | 'memory' | 'io';
