/** How full a file system is, and what a directory takes of it. */
import { statfs } from 'node:fs/promises';
import { run } from './exec.ts';
import { readMountinfo } from './mountinfo.ts';

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

const WALK_TIMEOUT_MS = 300_000;
/** Where something is mounted below that may hang. */
const GUARDED_WALK_TIMEOUT_MS = 5_000;

/**
 * Walks directories, all in one other process: seconds for millions of files. Files that vanish meanwhile do not count, and of directories that
 * do not exist nothing is said; nor of one in which something is mounted that hangs. No directory may lie in another.
 */
export async function readDirectoriesUsage(
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<Map<string, DirectoryUsage>> {
  const mountPoints = (await readMountinfo()).map(({ mountPoint }) => mountPoint);
  const hasMounts = (path: string): boolean => mountPoints.some(point => point.startsWith(`${path}/`));
  const walks = [
    walk(
      paths.filter(path => !hasMounts(path)),
      WALK_TIMEOUT_MS,
      signal,
    ),
    // Each by itself: even looking at a mount without going into it may hang.
    ...paths
      .filter(hasMounts)
      .map(path => walk([path], GUARDED_WALK_TIMEOUT_MS, signal).catch(() => new Map<string, DirectoryUsage>())),
  ];
  const found = await Promise.all(walks);
  signal?.throwIfAborted();
  return new Map(found.flatMap(part => [...part]));
}

async function walk(
  paths: readonly string[],
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Map<string, DirectoryUsage>> {
  if (paths.length === 0) return new Map();
  const options = { timeoutMs, ...(signal === undefined ? {} : { signal }) };
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
