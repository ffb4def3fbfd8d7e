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

/**
 * Walks directories, all in one other process: seconds for millions of files. Files that vanish meanwhile do not count, and of directories that
 * do not exist nothing is said. No directory may lie in another.
 */
export async function readDirectoriesUsage(
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<Map<string, DirectoryUsage>> {
  if (paths.length === 0) return new Map();
  const options = { timeoutMs: 300_000, ...(signal === undefined ? {} : { signal }) };
  // du fails when a file vanishes under it, but prints its sums all the same.
  const totals = async (flag: string): Promise<Map<string, number>> => {
    const { stdout } = await run(
      ['nice', '-n', '19', 'sh', '-c', `du -0sx ${flag} -- "$@" || true`, 'du', ...paths],
      options,
    );
    const lines = stdout.split('\0').filter(line => line !== '');
    return new Map(lines.map(line => [line.slice(line.indexOf('\t') + 1), Number.parseInt(line, 10)]));
  };
  const [bytes, inodes] = await Promise.all([totals('--block-size=1'), totals('--inodes')]);
  return new Map([...bytes].map(([path, usedBytes]) => [path, { usedBytes, inodesUsed: inodes.get(path) ?? 0 }]));
}
