/**
 * Makes mounts. A tmpfs, which nearly every pod has, goes by system call (0.05 ms); all else through mount(8) (4 ms): a hang in the kernel (a dead NFS server) then hangs the child, not this process.
 *
 * - Making what is there succeeds.
 */
import { mkdir } from 'node:fs/promises';
import { run } from './exec.ts';
import { loadLibc, MS_NODEV, MS_NOSUID } from './libc.ts';
import { isMountPoint, readMountinfo } from './mountinfo.ts';

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
  const settings: string[] = [];
  if (options.sizeBytes !== undefined) settings.push(`size=${options.sizeBytes}`);
  if (options.mode !== undefined) settings.push(`mode=${options.mode.toString(8)}`);
  const libc = await loadLibc();
  libc.mount('tmpfs', path, 'tmpfs', MS_NOSUID | MS_NODEV, settings.join(','));
}

/** Mounts a file system of huge pages on `path` (made if missing) unless something is mounted there. */
export async function mountHugepages(path: string, pageBytes: number): Promise<void> {
  await mkdir(path, { recursive: true });
  if (isMountPoint(await readMountinfo(), path)) return;
  const libc = await loadLibc();
  libc.mount('nodev', path, 'hugetlbfs', MS_NOSUID | MS_NODEV, `pagesize=${pageBytes},mode=0777`);
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
