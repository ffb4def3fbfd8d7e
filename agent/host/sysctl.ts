/**
 * Kernel parameters under /proc/sys, with a memory of what they were.
 *
 * - A key is a path with dots or slashes: `net.ipv4.ip_forward`; with a slash anywhere, dots stay: `net/ipv4/conf/eth0.1/forwarding`.
 * - The first value that `set` replaced is kept in a file and comes back with `undo`, also after a crash or a second start.
 */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** The parameter's value; undefined if this kernel has none of that name (a module that is not loaded, a feature left out). */
export async function readSysctl(key: string): Promise<string | undefined> {
  try {
    return (await readFile(sysctlPath(key), 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** What a change came to. */
export type SysctlOutcome = 'set' | 'already' | 'absent';

/** Changes parameters and undoes its changes. One process at a time may use a state file. */
export class Sysctls {
  private readonly statePath: string;
  /** Ends when all that was begun is done: each change reads the file and writes it anew. */
  private work: Promise<unknown> = Promise.resolve();

  /** @param statePath file for the previous values; must outlive a restart, not a reboot: /run is right */
  constructor(statePath: string) {
    this.statePath = statePath;
  }

  /** Gives the parameter that value. @throws the file system's error when the kernel refuses it */
  set(key: string, value: string): Promise<SysctlOutcome> {
    return this.inTurn(() => this.change(key, value));
  }

  /** Puts every changed parameter back; gives their keys. */
  undo(): Promise<string[]> {
    return this.inTurn(() => this.putBack());
  }

  private inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = this.work.then(act);
    this.work = done.catch(() => {});
    return done;
  }

  private async change(key: string, value: string): Promise<SysctlOutcome> {
    const before = await readSysctl(key);
    if (before === undefined) return 'absent';
    if (before === value) return 'already';
    const previous = await this.previous();
    // Remembered before it is changed: a crash in between undoes nothing, which is right.
    if (!(key in previous)) await this.remember({ ...previous, [key]: before });
    await writeFile(sysctlPath(key), value);
    return 'set';
  }

  private async putBack(): Promise<string[]> {
    const previous = await this.previous();
    for (const [key, value] of Object.entries(previous)) {
      if ((await readSysctl(key)) !== undefined) await writeFile(sysctlPath(key), value);
    }
    await rm(this.statePath, { force: true });
    return Object.keys(previous);
  }

  private async previous(): Promise<Readonly<Record<string, string>>> {
    try {
      return JSON.parse(await readFile(this.statePath, 'utf8')) as Record<string, string>;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
      throw error;
    }
  }

  private async remember(values: Readonly<Record<string, string>>): Promise<void> {
    await mkdir(dirname(this.statePath), { recursive: true });
    await writeFile(`${this.statePath}.new`, JSON.stringify(values));
    await rename(`${this.statePath}.new`, this.statePath);
  }
}

function sysctlPath(key: string): string {
  const path = join('/proc/sys', key.includes('/') ? key : key.replaceAll('.', '/'));
  if (!path.startsWith('/proc/sys/')) throw new TypeError(`"${key}" is no kernel parameter`);
  return path;
}
