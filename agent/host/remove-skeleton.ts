/**
 * Removes folders that only held places for mounts. What something is mounted on, or what is not empty, stays: a mount that hung may come
 * into being at any moment, and nothing that lies in it may be removed.
 */
import { readdir, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Removes `path` and what lies `levels` below it. Of what is not there, nothing.
 * @throws Error that names what is not empty, or mounted
 */
export async function removeSkeleton(path: string, levels: number): Promise<void> {
  const names = levels === 0 ? [] : await readdir(path).catch(() => []);
  await Promise.all(names.map(name => removeSkeleton(join(path, name), levels - 1)));
  try {
    await rmdir(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTDIR') throw error;
      return unlink(path);
    });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return;
    if (code === 'ENOTEMPTY')
      throw new Error(`${path} is not empty although nothing is mounted there: see whose it is, and take it away`, {
        cause: error,
      });
    if (code === 'EBUSY') throw new Error(`something was mounted on ${path} meanwhile`, { cause: error });
    throw error;
  }
}
