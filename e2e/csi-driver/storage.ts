/**
 * Volumes of the driver: a file each, as a loop device, with ext4 on it where it is to be a file system. What is mounted is read from
 * the kernel: the driver may die at any moment.
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

  file(handle: string): string {
    return join(this.folder, handle);
  }

  create(handle: string, bytes: number): void {
    if (!existsSync(this.file(handle))) writeFileSync(this.file(handle), '');
    truncateSync(this.file(handle), bytes);
  }

  async remove(handle: string): Promise<void> {
    await this.detach(handle);
    rmSync(this.file(handle), { force: true, recursive: true });
  }

  /** Its loop device, made if there is none. */
  async attach(handle: string): Promise<string> {
    const known = await this.device(handle);
    if (known !== undefined) return known;
    return (await run(['losetup', '--find', '--show', this.file(handle)])).trim();
  }

  async detach(handle: string): Promise<void> {
    const device = await this.device(handle);
    if (device !== undefined) await run(['losetup', '--detach', device]);
  }

  private async device(handle: string): Promise<string | undefined> {
    const out = await run(['losetup', '--associated', this.file(handle), '--noheadings', '--output', 'NAME']);
    return out.trim() === '' ? undefined : out.trim();
  }

  async mountFileSystem(handle: string, target: string, flags: readonly string[]): Promise<void> {
    if (isMounted(target)) return;
    const device = await this.attach(handle);
    const type = await run(['sh', '-c', `blkid -o value -s TYPE ${device} || true`]);
    if (type.trim() === '') await run(['mkfs.ext4', '-q', '-O', '^has_journal', '-m', '0', device]);
    await run(['mount', '-t', 'ext4', ...(flags.length === 0 ? [] : ['-o', flags.join(',')]), device, target]);
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

  async grow(handle: string, bytes: number, isFileSystem: boolean): Promise<void> {
    this.create(handle, bytes);
    const device = await this.attach(handle);
    await run(['losetup', '--set-capacity', device]);
    if (isFileSystem) await run(['resize2fs', device]);
  }
}

export function isMounted(path: string): boolean {
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
