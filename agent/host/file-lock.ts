/**
 * Makes sure that one process alone works on a directory: a lock of the kernel's on an open file, so nothing is stale after a
 * kill -9 or a power loss, and no child holds it (Node opens files close-on-exec).
 */
import { mkdir, open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { loadLibc } from './libc.ts';

/** Somebody else has the lock. */
export class LockedError extends Error {
  override readonly name = 'LockedError';
  readonly path: string;
  /** Who has it, if its file says so. */
  readonly ownerPid: number | undefined;

  constructor(path: string, ownerPid: number | undefined) {
    super(`"${path}" is locked${ownerPid === undefined ? '' : ` by process ${ownerPid}`}; stop it first (k8ts down)`);
    this.path = path;
    this.ownerPid = ownerPid;
  }
}

/** A lock that is held. */
export interface FileLock {
  /** Lets it go; the file stays. Safe to repeat. */
  release(): Promise<void>;
}

/** Takes the lock, at once or not at all. @throws LockedError */
export async function lockFile(path: string): Promise<FileLock> {
  const libc = await loadLibc();
  await mkdir(dirname(path), { recursive: true });
  const file = await open(path, 'a+', 0o644);
  try {
    if (!libc.tryLock(file.fd)) {
      const pid = Number((await readFile(path, 'utf8')).trim());
      throw new LockedError(path, pid > 0 ? pid : undefined);
    }
    await file.truncate(0);
    await file.write(`${process.pid}\n`);
  } catch (error) {
    await file.close();
    throw error;
  }
  let held = true;
  return {
    async release() {
      if (!held) return;
      held = false;
      await file.close();
    },
  };
}
