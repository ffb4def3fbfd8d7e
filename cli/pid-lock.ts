/**
 * One k8ts a run directory. The lock file holds pid and start time of the process, so that a pid used again is not taken for ours and
 * a kill -9 leaves nothing to clean up.
 */
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { CliError, exitCodes } from './exit-codes.ts';

/**
 * Field 22 of /proc/PID/stat: when the process began, in ticks since boot. Undefined if there is no such process, or if it has ended and
 * nobody has asked for its exit code yet (a zombie).
 */
function startTicks(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** Pid of the process that holds the lock, if it lives. */
export function lockHolder(path: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  const [pid = '', ticks = ''] = text.trim().split(' ');
  return pid !== '' && startTicks(Number(pid)) === ticks ? Number(pid) : undefined;
}

/**
 * @returns a function that lets the lock go
 * @throws CliError (alreadyRunning) when another live process holds it
 */
export function takePidLock(path: string, role: string): () => void {
  mkdirSync(dirname(path), { recursive: true });
  const own = `${path}.${process.pid}`;
  writeFileSync(own, `${process.pid} ${startTicks(process.pid) ?? ''} ${role}\n`, { mode: 0o644 });
  try {
    // A link appears whole or not at all: nobody ever reads a lock that is half written.
    while (!linked(own, path)) {
      const holder = lockHolder(path);
      if (holder !== undefined) {
        throw new CliError(
          `k8ts runs here already (pid ${holder}, lock ${path}); see k8ts status, stop it with k8ts down`,
          exitCodes.alreadyRunning,
        );
      }
      rmSync(path, { force: true });
    }
  } finally {
    rmSync(own, { force: true });
  }
  return () => rmSync(path, { force: true });
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  }
}
