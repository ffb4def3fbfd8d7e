/** Who holds the lock that legacy iptables takes, for a message that helps. */
import { readFile, stat } from 'node:fs/promises';

/** `pid 4711 (iptables-restore)`; undefined if nobody holds it or it cannot be told. */
export async function lockHolder(): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(process.env['XTABLES_LOCKFILE'] ?? '/run/xtables.lock');
    const pid = holderOf(await readFile('/proc/locks', 'utf8'), dev, ino);
    return pid === undefined ? undefined : `pid ${pid} (${(await readFile(`/proc/${pid}/comm`, 'utf8')).trim()})`;
  } catch {
    return undefined;
  }
}

/** Lines are `1: FLOCK  ADVISORY  WRITE PID MAJOR:MINOR:INODE 0 EOF`, with `->` before the kind for those that wait. Source: proc_locks(5). */
function holderOf(locks: string, dev: number, inode: number): string | undefined {
  const hex = (part: number): string => part.toString(16).padStart(2, '0');
  const file = `${hex((dev >> 8) & 0xfff)}:${hex((dev & 0xff) | ((dev >> 12) & 0xfff00))}:${inode}`;
  return locks
    .split('\n')
    .map(line => line.split(/\s+/))
    .find(words => words[1] === 'FLOCK' && words[5] === file)?.[4];
}
