/**
 * Tells whether a path lies on the machine's own file systems, without touching any that may hang: the mount table is asked before each step.
 *
 * A file system that others serve (FUSE, NFS, 9p, ...) or that lies on another disk than the root may stop answering at any time. One call to
 * it that hangs takes one of Node's four threads for file access, four stop the whole process.
 */
import { lstat, readlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { readMountinfo, type Mount } from '../mountinfo.ts';

/** File systems that the kernel makes out of nothing. */
const OF_THE_KERNEL = new Set(
  'tmpfs ramfs devtmpfs devpts proc sysfs cgroup cgroup2 mqueue hugetlbfs securityfs debugfs tracefs bpf nsfs'.split(
    ' ',
  ),
);
const MAX_LINKS = 40;

/**
 * The mount on which `path` lies, or leads to, if it may hang; undefined: it is the machine's own, or does not exist.
 * @param home lies on a disk that counts as the machine's own, as the root's does
 */
export async function foreignMountOf(path: string, home: string): Promise<Mount | undefined> {
  const mounts = await readMountinfo();
  const own = new Set(['/', home].map(place => mountHolding(mounts, place)?.device));
  const isForeign = (mount: Mount): boolean => !OF_THE_KERNEL.has(mount.fsType) && !own.has(mount.device);
  let rest = parts(path);
  let at = '/';
  for (let links = 0; links < MAX_LINKS;) {
    const mount = mounts.findLast(({ mountPoint }) => mountPoint === at);
    if (mount !== undefined && isForeign(mount)) return mount;
    const [name, ...after] = rest;
    if (name === undefined) return undefined;
    const next = join(at, name);
    // What is mounted there answers for itself: looking at it may hang.
    const isMounted = mounts.some(({ mountPoint }) => mountPoint === next);
    const link = isMounted ? undefined : await linkAt(next);
    if (link === 'missing') return undefined;
    if (link === undefined) {
      [at, rest] = [next, after];
      continue;
    }
    links++;
    [at, rest] = ['/', [...parts(resolve(dirname(next), link)), ...after]];
  }
  return undefined;
}

/** The innermost mount that holds `path`, links in it left aside. */
function mountHolding(mounts: readonly Mount[], path: string): Mount | undefined {
  const holding = mounts.filter(({ mountPoint }) => `${path}/`.startsWith(mountPoint === '/' ? '/' : `${mountPoint}/`));
  const longest = Math.max(...holding.map(({ mountPoint }) => mountPoint.length));
  return holding.findLast(({ mountPoint }) => mountPoint.length === longest);
}

async function linkAt(path: string): Promise<string | undefined> {
  try {
    return (await lstat(path)).isSymbolicLink() ? await readlink(path) : undefined;
  } catch {
    return 'missing';
  }
}

function parts(path: string): string[] {
  return resolve('/', path)
    .split('/')
    .filter(part => part !== '');
}
