/** How full a file system is, and what a directory takes of it. */
import { statfs } from 'node:fs/promises';
import { run } from './exec.ts';

/** A file system as a whole. */
export interface FilesystemUsage {
  readonly capacityBytes: number;
  /** For processes without special rights. */
  readonly availableBytes: number;
  readonly usedBytes: number;
  /** 0 where inodes are made as needed (btrfs). */
  readonly inodes: number;
  readonly inodesFree: number;
  readonly inodesUsed: number;
}

/** What a directory and all below it takes, other file systems left out. */
export interface DirectoryUsage {
  readonly usedBytes: number;
  readonly inodesUsed: number;
}

/** The file system that holds `path`. @throws ENOENT */
export async function readFilesystemUsage(path: string): Promise<FilesystemUsage> {
  const { bsize, blocks, bfree, bavail, files, ffree } = await statfs(path);
  return {
    capacityBytes: blocks * bsize,
    availableBytes: bavail * bsize,
    usedBytes: (blocks - bfree) * bsize,
    inodes: files,
    inodesFree: ffree,
    inodesUsed: files - ffree,
  };
}

/** Walks the directory in another process: seconds for millions of files. Files that vanish meanwhile do not count. */
export async function readDirectoryUsage(path: string, signal?: AbortSignal): Promise<DirectoryUsage> {
  const options = { timeoutMs: 300_000, ...(signal === undefined ? {} : { signal }) };
  // du fails when a file vanishes under it, but prints its sum all the same.
  const total = async (flag: string): Promise<number> => {
    const { stdout } = await run(['sh', '-c', `du -sx ${flag} -- "$1" || test -e "$1"`, 'du', path], options);
    return Number(stdout.split('\t')[0]);
  };
  const [usedBytes, inodesUsed] = await Promise.all([total('--block-size=1'), total('--inodes')]);
  return { usedBytes, inodesUsed };
}
