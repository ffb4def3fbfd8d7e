/**
 * Takes away everything a private containerd that is stopped already left: containers, shims, mounts, files.
 *
 * - Processes are found by containerd's own address in the shims' arguments and by descent from them: no other runtime's.
 * - Safe to repeat; what is gone already is no error.
 */
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { releaseMounts } from '../../../host/release-mounts.ts';
import { descendantsOf, listProcesses, readProcess, sendSignal, type ProcessInfo } from '../../../host/processes.ts';

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

const MAX_WAIT_MS = 5_000;
const SHIM_SOCKET_PREFIX = 'unix://';

/** Ends and deletes it all. */
export async function resetContainerd({ root, stateDir, socketPath }: ResetOptions): Promise<ContainerdRemains> {
  const shimSockets = await findShimSockets(stateDir);
  const all = await listProcesses();
  const shims = all.filter(process => isShimOf(process, socketPath));
  // Shims first: a shim that sees its container die would start its cleanup program.
  const processes = descendantsOf(
    all,
    shims.map(shim => shim.pid),
  );
  for (const process of [...shims, ...processes]) sendSignal(process.pid, 'SIGKILL');
  await waitForEnd([...shims, ...processes]);

  const mounts = [
    ...(await releaseMounts(stateDir, { detachBusy: true })),
    ...(await releaseMounts(root, { detachBusy: true })),
  ];
  for (const path of [...shimSockets, stateDir, root]) await rm(path, { recursive: true, force: true });
  return { shims: shims.length, processes: processes.length, mounts, directories: [stateDir, root] };
}

function isShimOf(process: ProcessInfo, socketPath: string): boolean {
  const { argv } = process;
  return (argv[0] ?? '').includes('containerd-shim') && argv[argv.indexOf('-address') + 1] === socketPath;
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

async function waitForEnd(processes: readonly ProcessInfo[]): Promise<void> {
  const untilMs = performance.now() + MAX_WAIT_MS;
  for (const process of processes) {
    for (;;) {
      const now = await readProcess(process.pid);
      const gone = now === undefined || now.startTicks !== process.startTicks || now.state === 'Z';
      if (gone || performance.now() > untilMs) break;
      await new Promise(resolve => setTimeout(resolve, 5));
    }
  }
}
