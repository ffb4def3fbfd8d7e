/** Who holds a file's lock, as the kernel tells. */
import { readFileSync, statSync } from 'node:fs';

/** @returns `process 123 (node)`; undefined if nobody that can be seen from here holds one */
export function lockHolder(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path);
    // As Linux packs a device's numbers.
    const hex = (n: number): string => n.toString(16).padStart(2, '0');
    const wanted = `${hex((dev >>> 8) & 0xfff)}:${hex((dev & 0xff) | ((dev >>> 12) & 0xfff00))}:${ino}`;
    for (const line of readFileSync('/proc/locks', 'utf8').split('\n')) {
      // `1: POSIX  ADVISORY  WRITE 1234 fe:00:5678 1073741826 1073742335`; those who wait have an arrow before POSIX.
      const [, type, , mode, pid = '', file = ''] = line.trim().split(/\s+/);
      if (type !== 'POSIX' || mode !== 'WRITE' || file !== wanted) continue;
      return `process ${pid} (${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()})`;
    }
  } catch {
    // A system without /proc, or a process that is just going: SQLite itself says whether the file is locked.
  }
  return undefined;
}
