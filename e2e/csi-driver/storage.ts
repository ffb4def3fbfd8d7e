/**
 * Volumes of the driver: file systems in memory, which grow while they are mounted without any capability of their own, and files behind loop
 * devices. What is mounted is read from the kernel: the driver may die at any moment.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from '../machine/command.ts';

export class Storage {
  private readonly folder: string;

  constructor(state: string) {
    this.folder = join(state, 'volumes');
    mkdirSync(this.folder, { recursive: true });
  }

  /** A folder or a file. */
  path(handle: string): string {
    return join(this.folder, handle);
  }

  /** Makes it, or makes it larger. */
  async provide(handle: string, bytes: number, isBlock: boolean): Promise<void> {
    const path = this.path(handle);
    if (!isBlock) {
      mkdirSync(path, { recursive: true });
      const options = [...(isMounted(path) ? ['remount'] : []), `size=${bytes}`];
      await run(['mount', '-t', 'tmpfs', '-o', options.join(','), 'tmpfs', path]);
      return;
    }
    if (!existsSync(path)) writeFileSync(path, '');
    truncateSync(path, bytes);
    const device = await this.device(handle);
    if (device !== undefined) await run(['losetup', '--set-capacity', device]);
  }

  async remove(handle: string): Promise<void> {
    await this.unmount(this.path(handle));
    await this.detach(handle);
    rmSync(this.path(handle), { force: true, recursive: true });
  }

  /** Its loop device, made if there is none. */
  async attach(handle: string): Promise<string> {
    const known = await this.device(handle);
    if (known !== undefined) return known;
    return (await run(['losetup', '--find', '--show', this.path(handle)])).trim();
  }

  async detach(handle: string): Promise<void> {
    const device = await this.device(handle);
    if (device !== undefined) await run(['losetup', '--detach', device]);
  }

  private async device(handle: string): Promise<string | undefined> {
    const out = await run(['losetup', '--associated', this.path(handle), '--noheadings', '--output', 'NAME']);
    return out.trim() === '' ? undefined : out.trim();
  }

  /** A folder or a device, seen once more. */
  async bind(
    source: string,
    target: string,
    { isFile, readOnly }: { isFile: boolean; readOnly: boolean },
  ): Promise<void> {
    if (isMounted(target)) return;
    mkdirSync(isFile ? dirname(target) : target, { recursive: true });
    if (isFile) writeFileSync(target, '');
    await run(['mount', '--bind', source, target]);
    if (readOnly && !isFile) await run(['mount', '-o', 'remount,bind,ro', target]);
  }

  async unmount(target: string): Promise<void> {
    while (isMounted(target)) await run(['umount', target]);
  }
}

function isMounted(path: string): boolean {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .some(line => line.split(' ')[4] === path);
}

/** Bytes and inodes of the file system at `path`. */
export function usageOf(path: string): { bytes: readonly bigint[]; inodes: readonly bigint[] } {
  const { bsize, blocks, bfree, bavail, files, ffree } = statfsSync(path, { bigint: true });
  return {
    bytes: [bavail * bsize, blocks * bsize, (blocks - bfree) * bsize],
    inodes: [ffree, files, files - ffree],
  };
}
