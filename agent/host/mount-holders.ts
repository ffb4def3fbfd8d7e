/** Who keeps a mount busy: processes that work in it, run from it or have files of it open. Reads names alone, so that nothing can hang. */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { readProcess, TICKS_PER_SECOND } from './processes.ts';

/** One process that holds a mount. */
export interface MountHolder {
  readonly pid: number;
  /** As typed; in brackets where the process tells none. */
  readonly command: string;
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number;
  /** `works in it`, `runs from it`, `has FILE open` */
  readonly how: string;
}

const MAX_HOLDERS = 3;

/** The first few, in order of their pid. Only those that see the mount where this process does. */
export async function findMountHolders(mountPoint: string): Promise<MountHolder[]> {
  const pids = (await readdir('/proc'))
    .filter(name => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
  const found: MountHolder[] = [];
  for (const pid of pids) {
    const how = await howHeld(pid, mountPoint);
    if (how === undefined) continue;
    const info = await readProcess(pid);
    if (info === undefined) continue;
    const command = info.argv.length > 0 ? info.argv.join(' ').slice(0, 200) : '[no command line]';
    const startedAtMs = (await bootedAtMs()) + (info.startTicks * 1000) / TICKS_PER_SECOND;
    found.push({ pid, command, startedAtMs, how });
    if (found.length === MAX_HOLDERS) break;
  }
  return found;
}

async function howHeld(pid: number, mountPoint: string): Promise<string | undefined> {
  const isInside = (path: string): boolean => path === mountPoint || path.startsWith(`${mountPoint}/`);
  const linkOf = (name: string): Promise<string> => readlink(`/proc/${pid}/${name}`).catch(() => '');
  if (isInside(await linkOf('cwd'))) return 'works in it';
  if (isInside(await linkOf('root'))) return 'has its root in it';
  if (isInside(await linkOf('exe'))) return 'runs from it';
  for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
    const file = await linkOf(`fd/${fd}`);
    if (isInside(file)) return `has ${file} open`;
  }
  return undefined;
}

async function bootedAtMs(): Promise<number> {
  const stat = await readFile('/proc/stat', 'utf8');
  return Number(/^btime (\d+)$/m.exec(stat)?.[1] ?? 0) * 1000;
}
