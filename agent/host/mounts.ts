/**
 * Makes and takes away mounts through mount(8) and umount(8), which k8ts' hosts always have: about 2 ms a call, and a hang in
 * the kernel (a dead NFS server) hangs the child, not this process.
 *
 * - Making what is there, and taking away what is not, succeeds.
 */
import { mkdir } from 'node:fs/promises';
import { run } from './exec.ts';
import { isMountPoint, mountsBelow, readMountinfo } from './mountinfo.ts';

/** Settings of a memory file system. */
export interface TmpfsOptions {
  /** Undefined: half of the machine's memory, the kernel's default. */
  readonly sizeBytes?: number;
  /** Octal mode of its root directory, for example 0o777. */
  readonly mode?: number;
}

/** Mounts a tmpfs on `path` (made if missing) unless something is mounted there. */
export async function mountTmpfs(path: string, options: TmpfsOptions = {}): Promise<void> {
  await mkdir(path, { recursive: true });
  if (isMountPoint(await readMountinfo(), path)) return;
  const settings = ['nosuid', 'nodev'];
  if (options.sizeBytes !== undefined) settings.push(`size=${options.sizeBytes}`);
  if (options.mode !== undefined) settings.push(`mode=${options.mode.toString(8)}`);
  await run(['mount', '-t', 'tmpfs', '-o', settings.join(','), 'tmpfs', path]);
}

/** Mounts `source` on `target`, which must exist, unless something is mounted there. */
export async function bindMount(source: string, target: string, options: { readOnly?: boolean } = {}): Promise<void> {
  if (isMountPoint(await readMountinfo(), target)) return;
  await run(['mount', '--bind', source, target]);
  if (options.readOnly === true) await run(['mount', '-o', 'remount,bind,ro', target]);
}

/** Mounts `path` onto itself as a shared mount, once: what is mounted below then reaches other mount namespaces. */
export async function makeShared(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  const mount = (await readMountinfo()).findLast(m => m.mountPoint === path);
  if (mount === undefined) await run(['mount', '--bind', path, path]);
  if (mount === undefined || !mount.propagation.some(p => p.startsWith('shared:'))) {
    await run(['mount', '--make-rshared', path]);
  }
}

/**
 * Takes away whatever is mounted on `path`, also several times over. A busy mount is detached: it disappears from the tree now
 * and from the kernel when its last user ends.
 */
export async function unmount(path: string): Promise<void> {
  await unmountAll(mount => mount === path);
}

/** Takes away every mount at or below `directory`; gives the mount points. */
export function unmountBelow(directory: string): Promise<string[]> {
  return unmountAll(mount => mount === directory || mount.startsWith(`${directory}/`));
}

async function unmountAll(wanted: (mountPoint: string) => boolean): Promise<string[]> {
  const points = mountsBelow(await readMountinfo(), '')
    .map(mount => mount.mountPoint)
    .filter(wanted);
  for (const point of points) {
    try {
      await run(['umount', point]);
    } catch (error) {
      const still = (await readMountinfo()).filter(mount => mount.mountPoint === point).length;
      if (still === 0) continue;
      await run(['umount', '--lazy', point]).catch(() => Promise.reject(error as Error));
    }
  }
  return points;
}
