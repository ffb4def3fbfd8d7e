/** Which huge pages the kernel has. */
import { readdir } from 'node:fs/promises';

/** As control groups name them: `2MB`, `1GB`. None where there are no huge pages. */
export async function readHugepageSizes(folder = '/sys/kernel/mm/hugepages'): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.flatMap(name => {
    const kilobytes = Number(/^hugepages-(\d+)kB$/.exec(name)?.[1] ?? 0);
    if (kilobytes === 0) return [];
    if (kilobytes % (1 << 20) === 0) return [`${kilobytes / (1 << 20)}GB`];
    return [kilobytes % (1 << 10) === 0 ? `${kilobytes / (1 << 10)}MB` : `${kilobytes}KB`];
  });
}
