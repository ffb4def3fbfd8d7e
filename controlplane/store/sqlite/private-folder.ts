/** The store's folder is its owner's alone: whoever may write there could put another database in its place. */
import { chmodSync, mkdirSync, statSync } from 'node:fs';
import type { Logger } from '../../../machinery/process/logger.ts';
import { StoreUnavailableError } from '../store.ts';

const STICKY = 0o1000;

/**
 * Makes the folder, or takes from it the rights of others.
 * @throws StoreUnavailableError io when that cannot be
 */
export function ensurePrivateFolder(folder: string, logger: Logger): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { mode, uid } = statSync(folder);
  if ((mode & 0o077) === 0) return;
  const rights = (mode & 0o7777).toString(8);
  if ((mode & STICKY) !== 0) {
    throw new StoreUnavailableError(
      'io',
      `Folder ${folder} is shared by all users; give the store a folder of its own`,
    );
  }
  if (process.getuid?.() !== 0 && process.getuid?.() !== uid) {
    throw new StoreUnavailableError(
      'io',
      `Folder ${folder} of the store is open to others (mode ${rights}) and belongs to user ${uid}; as that user run "chmod 700 ${folder}"`,
    );
  }
  chmodSync(folder, 0o700);
  logger.warn({ folder, mode: rights }, 'the folder of the store was open to others; now it is for its owner alone');
}
