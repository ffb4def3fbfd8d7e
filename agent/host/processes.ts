/** Processes of this machine, from /proc, and signals to them. A process is named by pid and start time: pids come back. */
import { readdir, readFile } from 'node:fs/promises';
import { uptime } from 'node:os';

/** Of the kernel's clock in /proc: the same on all architectures that Linux knows for user programs. */
export const TICKS_PER_SECOND = 100;

/** Clock ticks from boot to now. */
export function ticksNow(): number {
  return uptime() * TICKS_PER_SECOND;
}

/** One process. */
export interface ProcessInfo {
  readonly pid: number;
  readonly parentPid: number;
  /** `R`, `S`, `D`, `Z`, ... */
  readonly state: string;
  /** Clock ticks from boot to its start. */
  readonly startTicks: number;
  /** Empty for kernel threads and zombies. */
  readonly argv: readonly string[];
}

/** The process, or undefined if there is none (any more); a zombie counts as one. */
export async function readProcess(pid: number): Promise<ProcessInfo | undefined> {
  try {
    const [stat, cmdline] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''),
    ]);
    return { pid, ...parseProcStat(stat), argv: cmdline.split('\0').slice(0, -1) };
  } catch {
    return undefined;
  }
}

/** Every process there is; those that end meanwhile are left out. */
export async function listProcesses(): Promise<ProcessInfo[]> {
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name)).map(Number);
  const all = await Promise.all(pids.map(readProcess));
  return all.filter(process => process !== undefined);
}

/** Those of `processes` that descend from `ancestors`, the ancestors left out. */
export function descendantsOf(processes: readonly ProcessInfo[], ancestors: readonly number[]): ProcessInfo[] {
  const family = new Set(ancestors);
  const found: ProcessInfo[] = [];
  for (let grown = true; grown;) {
    grown = false;
    for (const process of processes) {
      if (family.has(process.pid) || !family.has(process.parentPid)) continue;
      family.add(process.pid);
      found.push(process);
      grown = true;
    }
  }
  return found;
}

/** Sends a signal; false if there is no such process. */
export function sendSignal(pid: number, signal: NodeJS.Signals | number): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** The fields of /proc/PID/stat that follow the command name, which may hold spaces and parentheses itself. */
export function parseProcStat(stat: string): Pick<ProcessInfo, 'state' | 'parentPid' | 'startTicks'> {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '?', parentPid: Number(fields[1]), startTicks: Number(fields[19]) };
}
