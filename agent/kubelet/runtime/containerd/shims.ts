/** The shims of one containerd: the programs that hold its containers. They are found by its address in their arguments. */
import { descendantsOf, listProcesses, readProcess, sendSignal, type ProcessInfo } from '../../../host/processes.ts';

export interface Shim extends ProcessInfo {
  /** Of the sandbox, whose containers it holds as well. */
  readonly id: string;
}

const MAX_WAIT_MS = 5_000;

export async function listShims(socketPath: string): Promise<Shim[]> {
  return (await listProcesses())
    .filter(process => isShimOf(process, socketPath))
    .map(process => ({ ...process, id: process.argv[process.argv.indexOf('-id') + 1] ?? '' }));
}

function isShimOf({ argv }: ProcessInfo, socketPath: string): boolean {
  return (argv[0] ?? '').includes('containerd-shim') && argv[argv.indexOf('-address') + 1] === socketPath;
}

/** Kills them with all that they hold, and waits until that is gone. @returns how many processes they held */
export async function killShims(shims: readonly Shim[]): Promise<number> {
  if (shims.length === 0) return 0;
  const held = descendantsOf(
    await listProcesses(),
    shims.map(shim => shim.pid),
  );
  // Shims first: a shim that sees its container die would start its cleanup program.
  for (const process of [...shims, ...held]) sendSignal(process.pid, 'SIGKILL');
  await waitForEnd([...shims, ...held]);
  return held.length;
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
