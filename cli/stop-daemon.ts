/** Ends the k8ts that runs on this machine, in order, and waits for it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { askStop } from './control-socket.ts';
import { CliError, exitCodes } from './exit-codes.ts';
import type { Paths } from './paths.ts';
import { lockHolder } from './pid-lock.ts';

const POLL_MS = 50;

/** @returns its pid, or undefined when none ran @throws CliError (timedOut) */
export async function stopDaemon(paths: Paths, timeoutSeconds: number): Promise<number | undefined> {
  const pid = lockHolder(paths.lock);
  if (pid === undefined) return undefined;
  if (!(await askStop(paths.controlSocket))) process.kill(pid, 'SIGTERM');
  for (const endMs = Date.now() + timeoutSeconds * 1000; lockHolder(paths.lock) !== undefined; await sleep(POLL_MS)) {
    if (Date.now() > endMs)
      throw new CliError(
        `k8ts (pid ${pid}) did not stop within ${timeoutSeconds} s; see k8ts logs, then: kill -9 ${pid}`,
        exitCodes.timedOut,
      );
  }
  return pid;
}
