/**
 * Opens what lies in a folder that others write to. Links inside of it count, links out of it do not, and nothing but a regular file is ever
 * opened: not even the opening of a pipe or a device may hold us up or do something.
 */
import { constants } from 'node:fs';
import { open, readlink, realpath, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

/** A handle on the place, not on the content; the same on all Linux architectures that Node runs on. */
export const O_PATH = 0o10000000;

/** The message names no file: the caller does. */
export class NotInsideError extends Error {
  override readonly name = 'NotInsideError';
}

/**
 * A handle on the place alone: for `stat()`, and for paths through `/proc/self/fd`.
 * @throws NotInsideError when it lies outside of `root`, and the file system's errors
 */
export async function openPlace(root: string, path: string): Promise<FileHandle> {
  const real = await realpath(root);
  const place = await open(join(real, path), O_PATH);
  try {
    // Looked at once it is held: links may be changed at any time.
    const found = await readlink(`/proc/self/fd/${place.fd}`);
    if (found !== real && !found.startsWith(`${real}/`)) throw new NotInsideError('it lies outside');
    return place;
  } catch (error) {
    await place.close();
    throw error;
  }
}

/** The file at a place, for reading. @throws NotInsideError when it is no regular file */
export async function openFileAt(place: FileHandle): Promise<FileHandle> {
  if (!(await place.stat()).isFile()) throw new NotInsideError('it is no regular file');
  return open(`/proc/self/fd/${place.fd}`, constants.O_RDONLY | constants.O_NONBLOCK);
}

/** A regular file by its path, links followed, for reading: where only a pipe or device may be in the way. @throws as `openFileAt()` */
export async function openFile(path: string): Promise<FileHandle> {
  const place = await open(path, O_PATH);
  try {
    return await openFileAt(place);
  } finally {
    await place.close();
  }
}

/** A regular file inside of `root`, for reading. @throws as the two above */
export async function openInside(root: string, path: string): Promise<FileHandle> {
  const place = await openPlace(root, path);
  try {
    return await openFileAt(place);
  } finally {
    await place.close();
  }
}
