/** What the whole machine uses: the root control group where the host counts there, /proc elsewhere (v2 has no memory.current in its root). */
import { readFile } from 'node:fs/promises';
import { uptime } from 'node:os';
import type { CgroupLayout } from './cgroup-layout.ts';
import { readCgroupStats, type CgroupStats } from './cgroup-stats.ts';

/** USER_HZ, which the kernel's interface fixes. */
const NANOS_PER_TICK = 10_000_000n;

/** Never undefined but where /proc is missing. */
export async function readMachineUsage(layout: CgroupLayout): Promise<CgroupStats | undefined> {
  const [root, stat, meminfo, loadavg] = await Promise.all([
    readCgroupStats(layout, '/'),
    readFile('/proc/stat', 'utf8').catch(() => ''),
    readFile('/proc/meminfo', 'utf8').catch(() => ''),
    readFile('/proc/loadavg', 'utf8').catch(() => ''),
  ]);
  const memory = parseMeminfo(meminfo);
  const total = memory.get('MemTotal');
  const used = total === undefined ? undefined : total - (memory.get('MemFree') ?? 0);
  const working = used === undefined ? undefined : Math.max(0, used - (memory.get('Inactive(file)') ?? 0));
  return {
    cpuUsageNanos: root?.cpuUsageNanos ?? busyNanos(stat),
    memoryUsageBytes: root?.memoryUsageBytes ?? used,
    memoryWorkingSetBytes: root?.memoryWorkingSetBytes ?? working,
    memoryRssBytes: root?.memoryRssBytes ?? memory.get('AnonPages'),
    pageFaults: root?.pageFaults,
    majorPageFaults: root?.majorPageFaults,
    swapBytes: (memory.get('SwapTotal') ?? 0) - (memory.get('SwapFree') ?? 0),
    pids: root?.pids ?? taskCount(loadavg),
  };
}

/** When it was booted, in milliseconds since the epoch. */
export function bootTimeMs(nowMs: number): number {
  return nowMs - uptime() * 1000;
}

/** Most processes and threads that there can be; undefined where /proc is missing. */
export async function readMaxTasks(): Promise<number | undefined> {
  const files = ['/proc/sys/kernel/pid_max', '/proc/sys/kernel/threads-max'];
  const limits = await Promise.all(files.map(file => readFile(file, 'utf8').then(Number, () => Infinity)));
  const least = Math.min(...limits);
  return Number.isFinite(least) ? least : undefined;
}

/** Bytes by name. Source: proc(5), meminfo: `Name:   123 kB`. */
export function parseMeminfo(text: string): Map<string, number> {
  const values = new Map<string, number>();
  for (const [, name = '', kibibytes] of text.matchAll(/^([^:\n]+):\s+(\d+) kB$/gm))
    values.set(name, Number(kibibytes) * 1024);
  return values;
}

/** Processes and threads that there are. Source: proc(5), loadavg: `0.20 0.18 0.12 1/80 11206`. */
export function taskCount(loadavg: string): number | undefined {
  const total = /^\S+ \S+ \S+ \d+\/(\d+)/.exec(loadavg)?.[1];
  return total === undefined ? undefined : Number(total);
}

/** Time of all processors that was not idle. Source: proc(5), stat: user nice system idle iowait irq softirq steal. */
export function busyNanos(stat: string): bigint | undefined {
  const numbers = /^cpu\s+([\d ]+)$/m.exec(stat)?.[1]?.split(' ').map(BigInt);
  if (numbers === undefined) return undefined;
  const [user = 0n, nice = 0n, system = 0n, , , irq = 0n, softirq = 0n, steal = 0n] = numbers;
  return (user + nice + system + irq + softirq + steal) * NANOS_PER_TICK;
}
