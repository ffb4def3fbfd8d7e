/** What a pod uses of what may run short: measured by the kubelet's samplers, read by the plans of eviction. */

export interface DiskUse {
  readonly bytes: number;
  readonly inodes: number;
}

export interface ContainerUsage {
  readonly name: string;
  readonly memoryBytes: number | undefined;
  /** Its writable layer. */
  readonly rootfs: DiskUse | undefined;
  readonly logs: DiskUse | undefined;
}

export interface PodUsage {
  readonly memoryBytes: number;
  readonly processes: number;
  readonly containers: readonly ContainerUsage[];
  /** Volumes on the node's own disk, by name. */
  readonly volumes: ReadonlyMap<string, DiskUse>;
}
