/**
 * Takes away everything a private containerd that is stopped already left: containers, shims, mounts, files.
 *
 * - Processes are found by containerd's own address in the shims' arguments and by descent from them: no other runtime's.
 * - Safe to repeat; what is gone already is no error.
 */
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { releaseMounts } from '../../../host/release-mounts.ts';
import { killShims, listShims } from './shims.ts';

/** What was taken away. */
export interface ContainerdRemains {
  readonly shims: number;
  readonly processes: number;
  readonly mounts: readonly string[];
  readonly directories: readonly string[];
}

/** Where to look. */
export interface ResetOptions {
  readonly root: string;
  readonly stateDir: string;
  readonly socketPath: string;
}

const SHIM_SOCKET_PREFIX = 'unix://';

/** Ends and deletes it all. */
export async function resetContainerd({ root, stateDir, socketPath }: ResetOptions): Promise<ContainerdRemains> {
  const shimSockets = await findShimSockets(stateDir);
  const shims = await listShims(socketPath);
  const processes = await killShims(shims);

  const mounts = [
    ...(await releaseMounts(stateDir, { detachBusy: true })),
    ...(await releaseMounts(root, { detachBusy: true })),
  ];
  for (const path of [...shimSockets, stateDir, root]) await rm(path, { recursive: true, force: true });
  return { shims: shims.length, processes, mounts, directories: [stateDir, root] };
}

/** Shims' sockets stand in a directory that all containerds of the host share; each bundle names its own. */
async function findShimSockets(stateDir: string): Promise<string[]> {
  const bundles = join(stateDir, 'io.containerd.runtime.v2.task', 'k8s.io');
  const names = await readdir(bundles).catch(() => []);
  const addresses = await Promise.all(
    names.map(name => readFile(join(bundles, name, 'address'), 'utf8').catch(() => '')),
  );
  return addresses
    .filter(address => address.startsWith(SHIM_SOCKET_PREFIX))
    .map(address => address.slice(SHIM_SOCKET_PREFIX.length).trim());
}
