/**
 * Where this host keeps its control groups. Decided by what is mounted, never by the kernel's version: v2 alone, v1 alone, or
 * hybrid, where v1 has the controllers and v2 is mounted beside with at most a leftover.
 */
import { readMountinfo, type Mount } from './mountinfo.ts';

/** Controllers and their directories. Hybrid hosts are used through v1. */
export type CgroupLayout =
  | { readonly shape: 'v2'; readonly mountPoint: string }
  | {
      readonly shape: 'v1' | 'hybrid';
      /** Mount point by controller (`cpu`, `memory`, ...); two controllers may share one. */
      readonly controllers: ReadonlyMap<string, string>;
      /** Hierarchies without controllers (systemd's own, the leftover v2): runtimes make groups there too. */
      readonly others: readonly string[];
    };

const NOT_CONTROLLERS = new Set(['rw', 'ro', 'clone_children', 'xattr', 'noprefix', 'cpuset_v2_mode']);

/** Reads the layout from mounts. @throws Error when no control groups are mounted at all */
export function layoutFromMounts(mounts: readonly Mount[]): CgroupLayout {
  const v2 = mounts.find(mount => mount.fsType === 'cgroup2');
  const controllers = new Map<string, string>();
  for (const mount of mounts.filter(m => m.fsType === 'cgroup')) {
    for (const option of mount.superOptions) {
      if (NOT_CONTROLLERS.has(option) || option.includes('=')) continue;
      // The first mount wins: containers bind-mount hierarchies again elsewhere.
      if (!controllers.has(option)) controllers.set(option, mount.mountPoint);
    }
  }
  if (controllers.size > 0) {
    const used = new Set(controllers.values());
    const named = mounts.filter(
      m => m.fsType === 'cgroup' && m.superOptions.some(option => option.startsWith('name=')),
    );
    const others = [...named, ...(v2 === undefined ? [] : [v2])]
      .map(m => m.mountPoint)
      .filter(point => !used.has(point));
    return { shape: v2 === undefined ? 'v1' : 'hybrid', controllers, others: [...new Set(others)] };
  }
  if (v2 !== undefined) return { shape: 'v2', mountPoint: v2.mountPoint };
  throw new Error('No control groups are mounted; mount them (mount -t cgroup2 none /sys/fs/cgroup) or start systemd');
}

/** The layout of this host now. */
export async function detectCgroups(): Promise<CgroupLayout> {
  return layoutFromMounts(await readMountinfo());
}

/** The directory of `path` (`/kubepods/burstable`) under a controller; undefined if the host lacks that controller. */
export function controllerDirectory(layout: CgroupLayout, controller: string, path: string): string | undefined {
  const base = layout.shape === 'v2' ? layout.mountPoint : layout.controllers.get(controller);
  return base === undefined ? undefined : base + path;
}

/** Every directory that `path` may have: one on v2, one per hierarchy on v1. */
export function allDirectories(layout: CgroupLayout, path: string): string[] {
  const bases =
    layout.shape === 'v2' ? [layout.mountPoint] : [...new Set([...layout.controllers.values(), ...layout.others])];
  return bases.map(base => base + path);
}
