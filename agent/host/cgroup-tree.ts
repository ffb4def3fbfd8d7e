/**
 * Makes, limits and removes control groups by writing to their file systems (the `cgroupfs` driver), on v1, v2 and hybrid.
 *
 * - Paths begin with a slash and are the same in every hierarchy: `/kubepods/burstable/pod1234`.
 * - Making what exists and removing what is gone succeeds. Limits not named stay as they are.
 */
import { chmod, mkdir, readdir, readFile, rmdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { allDirectories, controllerDirectory, type CgroupLayout } from './cgroup-layout.ts';

/** What a control group may use; `max` lifts a limit. */
export interface CgroupLimits {
  /** Weight as v1 counts it: 2 to 262,144, 1,024 for a whole processor. */
  readonly cpuShares?: number;
  readonly cpuQuota?: { readonly quotaMicros: number; readonly periodMicros: number } | 'max';
  readonly memoryBytes?: number | 'max';
  readonly pids?: number | 'max';
  /** Bytes of huge pages by page size, as the kernel names it (`2MB`). Left out where the host does not count them. */
  readonly hugepages?: Readonly<Record<string, number>>;
}

/** The controllers that limits use; runc makes the others itself. */
const CONTROLLERS = ['cpu', 'memory', 'pids', 'hugetlb'] as const;
/** Handed down on v2 where it goes. */
const OPTIONAL: readonly string[] = ['hugetlb', 'cpuset', 'io'];
const REMOVE_ATTEMPTS = 50;
const REMOVE_AGAIN_MS = 20;

/** Makes the group, with its parents, and sets its limits. @throws the file system's error, naming the file */
export async function ensureCgroup(layout: CgroupLayout, path: string, limits: CgroupLimits = {}): Promise<void> {
  if (layout.shape === 'v2') {
    await makeV2(layout.mountPoint, path);
  } else {
    for (const controller of CONTROLLERS) {
      const directory = controllerDirectory(layout, controller, path);
      if (directory !== undefined) await makeOpen(directory);
    }
  }
  for (const { controller, file, value } of limitFiles(layout.shape, limits)) {
    const directory = controllerDirectory(layout, controller, path);
    if (directory === undefined) continue;
    const written = writeFile(join(directory, file), value);
    // A page size that the kernel has and its groups do not count: there is nothing to limit.
    await (controller === 'hugetlb' ? written.catch(ignoreMissing) : written);
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (!['ENOENT', 'EACCES', 'EPERM'].includes(error.code ?? '')) throw error;
}

/** Whether the group has that file: kernels lack some. */
export async function hasCgroupFile(
  layout: CgroupLayout,
  controller: string,
  path: string,
  file: string,
): Promise<boolean> {
  const directory = controllerDirectory(layout, controller, path);
  return (
    directory !== undefined &&
    (await stat(join(directory, file)).then(
      () => true,
      () => false,
    ))
  );
}

/** Whether there is such a group. */
export async function cgroupExists(layout: CgroupLayout, path: string): Promise<boolean> {
  const directory = controllerDirectory(layout, 'memory', path) ?? allDirectories(layout, path)[0];
  return (
    directory !== undefined &&
    (await stat(directory).then(
      found => found.isDirectory(),
      () => false,
    ))
  );
}

/** Removes the group and all below it, waiting a second for processes that are about to end. @throws EBUSY if some stay */
export async function removeCgroupTree(layout: CgroupLayout, path: string): Promise<void> {
  for (const directory of allDirectories(layout, path)) {
    for (let attempt = 1; ; attempt++) {
      try {
        await removeDirectories(directory);
        break;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EBUSY' || attempt === REMOVE_ATTEMPTS) throw error;
        await new Promise(resolve => setTimeout(resolve, REMOVE_AGAIN_MS));
      }
    }
  }
}

/** The names of the groups directly below `path`, sorted, from every hierarchy. */
export async function listCgroups(layout: CgroupLayout, path: string): Promise<string[]> {
  const names = await Promise.all(allDirectories(layout, path).map(subdirectories));
  return [...new Set(names.flat())].sort();
}

/** One of the processes in the group or below it, looked for in one hierarchy alone; undefined if it has none. */
export async function firstCgroupProcess(layout: CgroupLayout, path: string): Promise<number | undefined> {
  for await (const pid of processesBelow(layout, path)) return pid;
  return undefined;
}

/** All processes in the group and below it, looked for in one hierarchy alone. */
export async function cgroupProcesses(layout: CgroupLayout, path: string): Promise<number[]> {
  const pids: number[] = [];
  for await (const pid of processesBelow(layout, path)) pids.push(pid);
  return pids;
}

async function* processesBelow(layout: CgroupLayout, path: string): AsyncGenerator<number> {
  const visit = async function* (directory: string): AsyncGenerator<number> {
    const text = await readFile(join(directory, 'cgroup.procs'), 'utf8').catch(() => '');
    yield* text.split('\n').filter(Boolean).map(Number);
    for (const name of await subdirectories(directory)) yield* visit(join(directory, name));
  };
  const root = controllerDirectory(layout, 'memory', path) ?? allDirectories(layout, path)[0];
  if (root !== undefined) yield* visit(root);
}

/** v1's cpu.shares as v2's cpu.weight (1 to 10,000). Source: runc libcontainer, linear map of the two ranges. */
export function cpuWeight(cpuShares: number): number {
  const shares = Math.min(Math.max(cpuShares, 2), 262_144);
  return 1 + Math.floor(((shares - 2) * 9_999) / 262_142);
}

interface LimitFile {
  readonly controller: (typeof CONTROLLERS)[number];
  readonly file: string;
  readonly value: string;
}

/** The files that express `limits`, in the order to write them. */
export function limitFiles(shape: CgroupLayout['shape'], limits: CgroupLimits): LimitFile[] {
  const { cpuShares, cpuQuota, memoryBytes, pids, hugepages = {} } = limits;
  const files: LimitFile[] = [];
  const v2 = shape === 'v2';
  const cpu = (file: string, value: number | string) => files.push({ controller: 'cpu', file, value: String(value) });
  if (cpuShares !== undefined) {
    if (v2) cpu('cpu.weight', cpuWeight(cpuShares));
    else cpu('cpu.shares', Math.max(cpuShares, 2));
  }
  if (cpuQuota !== undefined) {
    if (v2) cpu('cpu.max', cpuQuota === 'max' ? 'max' : `${cpuQuota.quotaMicros} ${cpuQuota.periodMicros}`);
    else if (cpuQuota === 'max') cpu('cpu.cfs_quota_us', -1);
    else {
      cpu('cpu.cfs_period_us', cpuQuota.periodMicros);
      cpu('cpu.cfs_quota_us', cpuQuota.quotaMicros);
    }
  }
  if (memoryBytes !== undefined) {
    const value = memoryBytes === 'max' ? (v2 ? 'max' : '-1') : String(memoryBytes);
    files.push({ controller: 'memory', file: v2 ? 'memory.max' : 'memory.limit_in_bytes', value });
  }
  if (pids !== undefined) files.push({ controller: 'pids', file: 'pids.max', value: String(pids) });
  for (const [size, bytes] of Object.entries(hugepages))
    files.push({
      controller: 'hugetlb',
      file: `hugetlb.${size}.${v2 ? 'max' : 'limit_in_bytes'}`,
      value: String(bytes),
    });
  return files;
}

/** For all to look into, whatever our umask: roots of user namespaces find their own group by its path. */
async function makeOpen(directory: string): Promise<void> {
  const first = await mkdir(directory, { recursive: true });
  for (let made = directory; ; made = dirname(made)) {
    await chmod(made, 0o755);
    if (first === undefined || made === first) return;
  }
}

/** On v2 a group has a controller only if its parent hands it down. */
async function makeV2(mountPoint: string, path: string): Promise<void> {
  const parents: string[] = [];
  for (let parent = dirname(path); ; parent = dirname(parent)) {
    parents.unshift(parent);
    if (parent === '/' || parent === '.') break;
  }
  for (const parent of parents) {
    const directory = join(mountPoint, parent);
    await makeOpen(directory);
    const available = (await readFile(join(directory, 'cgroup.controllers'), 'utf8')).trim().split(' ');
    const handed = (await readFile(join(directory, 'cgroup.subtree_control'), 'utf8')).trim().split(' ');
    const wanted = [...new Set([...CONTROLLERS, ...OPTIONAL])].filter(
      c => available.includes(c) && !handed.includes(c),
    );
    // One at a time: a controller that cannot be handed down must not keep the others back.
    for (const controller of wanted) {
      await writeFile(join(directory, 'cgroup.subtree_control'), `+${controller}`).catch((error: unknown) => {
        if (!OPTIONAL.includes(controller)) throw error;
      });
    }
  }
  await makeOpen(join(mountPoint, path));
}

async function subdirectories(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  return entries.filter(entry => entry.isDirectory()).map(entry => entry.name);
}

async function removeDirectories(directory: string): Promise<void> {
  for (const name of await subdirectories(directory)) await removeDirectories(join(directory, name));
  await rmdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}
