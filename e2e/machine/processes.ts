/** Processes of the host, as /proc tells them. */
import { readdirSync, readFileSync } from 'node:fs';

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Field 22 of /proc/PID/stat, which with the pid names a process for good; undefined if it is gone or a zombie. */
export function startTicks(pid: number): string | undefined {
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return stat === '' || fields[0] === 'Z' ? undefined : fields[19];
}

/** Pids, ascending. */
export function allPids(): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

/** Arguments, empty for kernel threads and what is gone. */
export function argvOf(pid: number): string[] {
  return read(`/proc/${pid}/cmdline`).split('\0').slice(0, -1);
}

/** Pids whose command line names `text`, or whose cgroup path does. Neither our own nor zombies. */
export function pidsNaming(text: string): number[] {
  return allPids().filter(
    pid =>
      pid !== process.pid &&
      startTicks(pid) !== undefined &&
      (argvOf(pid).some(a => a.includes(text)) || read(`/proc/${pid}/cgroup`).includes(text)),
  );
}

/** SIGKILL; what is gone is no error. */
export function killHard(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It went by itself.
  }
}

/** Proportional memory, bytes. */
export function pssBytes(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0) * 1024;
}

/** Memory of its own, bytes: what other processes share or map does not move it. */
export function anonymousBytes(pid: number): number {
  return Number(/^RssAnon:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) * 1024;
}

/** User and system time so far, milliseconds. */
export function cpuMs(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
