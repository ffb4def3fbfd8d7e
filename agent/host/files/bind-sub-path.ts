/**
 * subPath mounts that cannot be led astray: a container may swap folders of its volume for links at any moment, so the path is walked by
 * open file descriptors that never follow a link, and what was opened is what gets mounted.
 *
 * A path inside /proc/self/fd stands in for openat(2), which Node lacks.
 */
import { constants } from 'node:fs';
import { chmod, mkdir, open, realpath, stat, writeFile, type FileHandle } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { loadLibc, MNT_DETACH, MS_BIND, UMOUNT_NOFOLLOW } from '../libc.ts';
import { isMountPoint, readMountinfo } from '../mountinfo.ts';
import { O_PATH } from './open-inside.ts';

/** The subPath leads out of its volume, or through a link. The message is for the pod's event. */
export class SubPathError extends Error {
  override readonly name = 'SubPathError';
}

/**
 * Bind-mounts `volume/subPath` on `target` (made if absent) and makes the subPath if it does not exist. A mount of something else on
 * `target`, as a container's earlier life may have left, is replaced.
 *
 * @throws SubPathError
 */
export async function bindSubPath(volume: string, subPath: string, target: string): Promise<void> {
  if (subPath.startsWith('/') || subPath.split('/').includes('..'))
    throw new SubPathError(`subPath "${subPath}" leads out of its volume`);
  const root = await realpath(volume);
  const parts = await resolveInside(root, subPath);
  const handle = await openWithoutLinks(root, parts);
  try {
    const wanted = await handle.stat();
    const libc = await loadLibc();
    if (isMountPoint(await readMountinfo(), target)) {
      const there = await stat(target).catch(() => undefined);
      if (there?.dev === wanted.dev && there.ino === wanted.ino) return;
      libc.umount(target, MNT_DETACH | UMOUNT_NOFOLLOW);
    }
    await makePlace(target, wanted.isDirectory());
    libc.mount(`/proc/self/fd/${handle.fd}`, target, '', MS_BIND, '');
  } finally {
    await handle.close();
  }
}

/** A file can only be mounted on a file, and a folder on a folder. */
async function makePlace(target: string, isDirectory: boolean): Promise<void> {
  await mkdir(isDirectory ? target : dirname(target), { recursive: true });
  if (!isDirectory && (await stat(target).catch(() => undefined)) === undefined) await writeFile(target, '');
}

/** The folders from the volume's root to where the subPath really is; links inside the volume count, links out of it do not. */
async function resolveInside(root: string, subPath: string): Promise<string[]> {
  const wanted = subPath.split('/').filter(part => part !== '' && part !== '.');
  let existing = wanted.length;
  let real: string | undefined;
  for (; existing >= 0 && real === undefined; existing--)
    real = await realpath(join(root, ...wanted.slice(0, existing))).catch(() => undefined);
  const inside = relative(root, real ?? root);
  if (inside === '..' || inside.startsWith(`..${sep}`))
    throw new SubPathError(`subPath "${subPath}" leads out of its volume by a link`);
  return [...inside.split(sep).filter(part => part !== ''), ...wanted.slice(existing + 1)];
}

/** What is missing is made with the mode of the volume's root, so that whoever may use the volume may use it. */
async function openWithoutLinks(root: string, parts: readonly string[]): Promise<FileHandle> {
  let handle = await open(root, O_PATH | (parts.length === 0 ? 0 : constants.O_DIRECTORY));
  const { mode } = await handle.stat();
  for (const part of parts) {
    const next = `/proc/self/fd/${handle.fd}/${part}`;
    try {
      const opened = await open(next, O_PATH | constants.O_NOFOLLOW).catch(async (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
        return makeFolder(next, mode & 0o7777);
      });
      if ((await opened.stat()).isSymbolicLink()) {
        await opened.close();
        throw new SubPathError(`subPath component "${part}" became a link while it was being mounted`);
      }
      await handle.close();
      handle = opened;
    } catch (error) {
      await handle.close().catch(() => undefined);
      throw error;
    }
  }
  return handle;
}

async function makeFolder(path: string, mode: number): Promise<FileHandle> {
  await mkdir(path, { mode: mode & 0o777 });
  const made = await open(path, O_PATH | constants.O_NOFOLLOW);
  // A umask must not take away what the volume grants; by the handle, since the name may be another's by now.
  await chmod(`/proc/self/fd/${made.fd}`, mode);
  return made;
}
