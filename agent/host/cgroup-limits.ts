/** What a control group is limited to now, on v1, v2 and hybrid. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { controllerDirectory, type CgroupLayout } from './cgroup-layout.ts';

/** Undefined: no limit, or no such group. */
export interface CgroupLimitsNow {
  readonly cpuQuotaMicros: number | undefined;
  readonly memoryBytes: number | undefined;
}

/** v1 says "no limit" as the greatest number of whole pages. */
const UNLIMITED_BYTES = 2 ** 62;

export async function readCgroupLimits(layout: CgroupLayout, path: string): Promise<CgroupLimitsNow> {
  const v2 = layout.shape === 'v2';
  const read = async (controller: string, file: string): Promise<number | undefined> => {
    const directory = controllerDirectory(layout, controller, path);
    if (directory === undefined) return undefined;
    const text = await readFile(join(directory, file), 'utf8').catch(() => '');
    const value = Number.parseInt(text, 10);
    return value >= 0 && value < UNLIMITED_BYTES ? value : undefined;
  };
  const [cpuQuotaMicros, memoryBytes] = await Promise.all([
    read('cpu', v2 ? 'cpu.max' : 'cpu.cfs_quota_us'),
    read('memory', v2 ? 'memory.max' : 'memory.limit_in_bytes'),
  ]);
  return { cpuQuotaMicros, memoryBytes };
}
