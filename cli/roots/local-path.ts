/** The node's side of the default provisioner: where its volumes lie, and who makes and removes their folders. */
import { join } from 'node:path';
import type { Client } from '../../machinery/client/client.ts';
import { systemClock } from '../../machinery/process/clock.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import { LocalPath } from '../../agent/local-path/local-path.ts';
import { LocalPathFolders } from '../../agent/local-path/local-path-folders.ts';
import type { Config } from '../config.ts';
import type { Paths } from '../paths.ts';

export interface LocalPathParts {
  readonly folders: LocalPathFolders;
  readonly component: LocalPath;
}

/** @param client acts as the node */
export function createLocalPath(config: Config, paths: Paths, client: Client, logger: Logger): LocalPathParts {
  const takesNone = config.localPathDir === 'none';
  const root = takesNone || config.localPathDir === undefined ? join(paths.dataDir, 'storage') : config.localPathDir;
  const folders = new LocalPathFolders(root, paths.localPathRecords);
  const component = new LocalPath({
    client,
    clock: systemClock,
    logger: logger.child({ part: 'local-path' }),
    root: takesNone ? undefined : root,
    folders,
  });
  return { folders, component };
}
