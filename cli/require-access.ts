/** Most of what k8ts keeps is root's. Who is not root learns that, not that there is nothing. */
import { accessSync, constants } from 'node:fs';
import { CliError, exitCodes } from './exit-codes.ts';

/** @throws CliError (notRoot) when `path`, or a folder above it, may not be read; a missing one is no error */
export function requireAccess(path: string, command: string): void {
  try {
    accessSync(path, constants.R_OK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES')
      throw new CliError(`Only root may read ${path}; try: sudo k8ts ${command}`, exitCodes.notRoot);
  }
}
