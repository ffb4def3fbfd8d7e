/**
 * Finds who has a folder, or something below it, mounted: in the mount namespace of any process. Reads names alone, so that nothing can hang.
 *
 * What others mount on a path of that name is their own affair: a container calls its folders as it likes.
 */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { parseMountinfo, type Mount } from './mountinfo.ts';

export interface MountOf {
  readonly pid: number;
  /** Where that process sees it. */
  readonly mountPoint: string;
}

/**
 * Looks once, however many folders are asked for.
 *
 * @param paths absolute, without links @returns somebody who has it mounted, for those that anybody has
 */
export async function findMountsOf(paths: readonly string[]): Promise<Map<string, MountOf>> {
  const own = parseMountinfo(await readFile('/proc/self/mountinfo', 'utf8'));
  const places = paths.map(path => ({ path, place: placeOf(path, own) }));
  const seen = new Set<string>();
  const found = new Map<string, MountOf>();
  for (const { path } of places) {
    const within = own.find(({ mountPoint }) => isAtOrBelow(mountPoint, path));
    if (within !== undefined) found.set(path, { pid: process.pid, mountPoint: within.mountPoint });
  }
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name));
  for (const pid of pids) {
    const namespace = await readlink(`/proc/${pid}/ns/mnt`).catch(() => '');
    if (namespace === '' || seen.has(namespace)) continue;
    const text = await readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(() => '');
    // It ended meanwhile: another of its namespace tells.
    if (text === '') continue;
    seen.add(namespace);
    const mounts = parseMountinfo(text);
    for (const { path, place } of places) {
      const mount = found.has(path) ? undefined : mounts.find(one => shows(one, place));
      if (mount !== undefined) found.set(path, { pid: Number(pid), mountPoint: mount.mountPoint });
    }
  }
  return found;
}

/** What the path is called within its file system. */
function placeOf(path: string, mounts: readonly Mount[]): { device: string; root: string } | undefined {
  const under = mounts.filter(({ mountPoint }) => isAtOrBelow(path, mountPoint));
  const mount = under.reduce<Mount | undefined>(
    (best, one) => (best === undefined || one.mountPoint.length >= best.mountPoint.length ? one : best),
    undefined,
  );
  if (mount === undefined) return undefined;
  const rest = mount.mountPoint === '/' ? path : path.slice(mount.mountPoint.length);
  return { device: mount.device, root: `${mount.root === '/' ? '' : mount.root}${rest}` };
}

/** The place, or a part of it. */
function shows({ device, root }: Mount, place: { device: string; root: string } | undefined): boolean {
  return place !== undefined && device === place.device && isAtOrBelow(root, place.root);
}

function isAtOrBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === '/' ? '/' : `${folder}/`);
}
