/** What a control group uses now, on v1, v2 and hybrid, in the terms of the kubelet's stats API. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { controllerDirectory, type CgroupLayout } from './cgroup-layout.ts';

/** A group and all below it. A field is undefined where the host does not count it. */
export interface CgroupStats {
  /** Processor time since the group was made. */
  readonly cpuUsageNanos: bigint | undefined;
  readonly memoryUsageBytes: number | undefined;
  /** Usage without file pages that could be dropped at once: what eviction looks at. */
  readonly memoryWorkingSetBytes: number | undefined;
  readonly memoryRssBytes: number | undefined;
  readonly pageFaults: number | undefined;
  readonly majorPageFaults: number | undefined;
  /** Undefined where swap is not counted. */
  readonly swapBytes: number | undefined;
  readonly pids: number | undefined;
}

/** Reads them; undefined if there is no such group. */
export async function readCgroupStats(layout: CgroupLayout, path: string): Promise<CgroupStats | undefined> {
  const v2 = layout.shape === 'v2';
  const read = async (controller: string, file: string): Promise<string | undefined> => {
    const directory = controllerDirectory(layout, controller, path);
    return directory === undefined ? undefined : readFile(join(directory, file), 'utf8').catch(() => undefined);
  };
  const [cpu, usage, memoryStat, pids, swap] = await Promise.all([
    v2 ? read('cpu', 'cpu.stat') : read('cpuacct', 'cpuacct.usage'),
    read('memory', v2 ? 'memory.current' : 'memory.usage_in_bytes'),
    read('memory', 'memory.stat'),
    read('pids', 'pids.current'),
    v2 ? read('memory', 'memory.swap.current') : undefined,
  ]);
  if (cpu === undefined && usage === undefined && pids === undefined) return undefined;

  const memory = parseKeyed(memoryStat ?? '');
  const cpuMicros = v2 ? parseKeyed(cpu ?? '').get('usage_usec') : undefined;
  const memoryUsageBytes = toNumber(usage);
  const inactiveFile = memory.get(v2 ? 'inactive_file' : 'total_inactive_file') ?? 0;
  return {
    cpuUsageNanos: v2 ? (cpuMicros === undefined ? undefined : BigInt(cpuMicros) * 1000n) : toBigInt(cpu),
    memoryUsageBytes,
    memoryWorkingSetBytes: memoryUsageBytes === undefined ? undefined : Math.max(0, memoryUsageBytes - inactiveFile),
    memoryRssBytes: memory.get(v2 ? 'anon' : 'total_rss'),
    pageFaults: memory.get(v2 ? 'pgfault' : 'total_pgfault'),
    majorPageFaults: memory.get(v2 ? 'pgmajfault' : 'total_pgmajfault'),
    swapBytes: v2 ? toNumber(swap) : memory.get('total_swap'),
    pids: toNumber(pids),
  };
}

/** Reads lines of `name value`. */
export function parseKeyed(text: string): Map<string, number> {
  const values = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [name, value] = line.split(' ');
    if (name !== undefined && value !== undefined) values.set(name, Number(value));
  }
  return values;
}

function toNumber(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text.trim());
}

function toBigInt(text: string | undefined): bigint | undefined {
  return text === undefined ? undefined : BigInt(text.trim());
}
