/** What the node has left of memory, disks and process numbers: a handful of small reads, no call of the runtime but the first. */
import type { CgroupLayout } from '../../host/cgroup-layout.ts';
import { readCgroupStats } from '../../host/cgroup-stats.ts';
import { readFilesystemUsage, type FilesystemUsage } from '../../host/disk-usage.ts';
import { readMachineUsage, readMaxTasks } from '../../host/machine-usage.ts';
import type { ImageFilesystem } from '../stats/image-filesystem.ts';
import type { Observation, Observations } from './plan/pressure.ts';
import type { Signal } from './plan/thresholds.ts';

export interface MachineObserverOptions {
  readonly layout: CgroupLayout;
  readonly memoryBytes: number;
  /** The group of all pods, below the mount point, and what it is limited to; undefined: nothing limits it. */
  readonly podsCgroup: string;
  readonly podsMemoryBytes: number | undefined;
  /** The kubelet's folder. */
  readonly root: string;
  readonly images: ImageFilesystem;
}

/** What cannot be read is left out. */
export async function observeMachine(options: MachineObserverOptions): Promise<Observations> {
  const { layout, memoryBytes, podsCgroup, podsMemoryBytes, root } = options;
  const [machine, ofPods, nodeFs, runtimeFs, maxTasks] = await Promise.all([
    readMachineUsage(layout),
    podsMemoryBytes === undefined ? undefined : readCgroupStats(layout, podsCgroup),
    readFilesystemUsage(root).catch(() => undefined),
    runtimeFilesystems(options.images),
    readMaxTasks(),
  ]);
  const seen = new Map<Signal, Observation>();
  const memory = (signal: Signal, capacity: number | undefined, workingSet: number | undefined): void => {
    if (capacity !== undefined && workingSet !== undefined)
      seen.set(signal, { capacity, available: Math.max(0, capacity - workingSet) });
  };
  memory('memory.available', memoryBytes, machine?.memoryWorkingSetBytes);
  memory('allocatableMemory.available', podsMemoryBytes, ofPods?.memoryWorkingSetBytes);
  filesystem(seen, 'nodefs', nodeFs);
  filesystem(seen, 'imagefs', runtimeFs?.images);
  filesystem(seen, 'containerfs', runtimeFs?.containers);
  if (machine?.pids !== undefined && maxTasks !== undefined)
    seen.set('pid.available', { capacity: maxTasks, available: Math.max(0, maxTasks - machine.pids) });
  return seen;
}

async function runtimeFilesystems(
  images: ImageFilesystem,
): Promise<{ images: FilesystemUsage; containers: FilesystemUsage } | undefined> {
  try {
    const places = await images.places();
    const ofImages = await readFilesystemUsage(places.images);
    const ofContainers = places.containers === places.images ? ofImages : await readFilesystemUsage(places.containers);
    return { images: ofImages, containers: ofContainers };
  } catch {
    // A runtime that is away is told by the node's condition.
    return undefined;
  }
}

function filesystem(
  seen: Map<Signal, Observation>,
  name: 'nodefs' | 'imagefs' | 'containerfs',
  usage: FilesystemUsage | undefined,
): void {
  if (usage === undefined) return;
  seen.set(`${name}.available`, { available: usage.availableBytes, capacity: usage.capacityBytes });
  // File systems that make inodes as they go have none to run short of.
  if (usage.inodes > 0) seen.set(`${name}.inodesFree`, { available: usage.inodesFree, capacity: usage.inodes });
}
