/** How full a file system is, and what a directory takes of it. */
import { statfs } from 'node:fs/promises';
import { CommandError } from './command-error.ts';
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
/** Where something is mounted below that may hang, or somebody made more files than can be counted in time. */
const GUARDED_WALK_TIMEOUT_MS = 5_000;
const LONE_WALK_TIMEOUT_MS = 60_000;

/**
 * Walks directories, all in one other process: seconds for millions of files. Files that vanish meanwhile do not count, and of directories that
 * do not exist nothing is said; nor of one in which something is mounted that hangs, or that takes too long. No directory may lie in another.
 */
export async function readDirectoriesUsage(
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<Map<string, DirectoryUsage>> {
  const mountPoints = (await readMountinfo()).map(({ mountPoint }) => mountPoint);
  const guarded = withMountsBelow(paths, mountPoints);
  const walks = [
    walkAll(
      paths.filter(path => !guarded.has(path)),
      signal,
    ),
    // Each by itself: even looking at a mount without going into it may hang.
    ...[...guarded].map(path => walkOne(path, GUARDED_WALK_TIMEOUT_MS, signal)),
  ];
  const found = await Promise.all(walks);
  signal?.throwIfAborted();
  return new Map(found.flatMap(part => [...part]));
}

function withMountsBelow(paths: readonly string[], mountPoints: readonly string[]): Set<string> {
  const wanted = new Set(paths);
  const found = new Set<string>();
  for (const point of mountPoints)
    for (let end = point.lastIndexOf('/'); end > 0; end = point.lastIndexOf('/', end - 1)) {
      const above = point.slice(0, end);
      if (wanted.has(above)) found.add(above);
    }
  return found;
}

/** If it takes too long, one of them is to blame: then each has its own time, and the others have their answer. */
async function walkAll(
  paths: readonly string[],
  signal: AbortSignal | undefined,
): Promise<Map<string, DirectoryUsage>> {
  try {
    return await walk(paths, WALK_TIMEOUT_MS, signal);
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof CommandError) || paths.length <= 1) throw error;
  }
  const found = new Map<string, DirectoryUsage>();
  for (const path of paths)
    for (const [key, usage] of await walkOne(path, LONE_WALK_TIMEOUT_MS, signal)) found.set(key, usage);
  return found;
}

/** Of what cannot be walked in time, nothing. */
function walkOne(
  path: string,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Map<string, DirectoryUsage>> {
  return walk([path], timeoutMs, signal).catch(() => new Map<string, DirectoryUsage>());
}

async function walk(
  paths: readonly string[],
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Map<string, DirectoryUsage>> {
  if (paths.length === 0) return new Map();
  // By standard input: a pod may have more volumes than fit into arguments.
  const options = { timeoutMs, input: paths.join('\0'), ...(signal === undefined ? {} : { signal }) };
  // du fails when a file vanishes under it, but prints its sums all the same.
  const totals = async (flag: string): Promise<Map<string, number>> => {
    const { stdout } = await run(
      ['nice', '-n', '19', 'sh', '-c', `du -0sx ${flag} --files0-from=- 2>/dev/null || true`],
      options,
    );
    const lines = stdout.split('\0').filter(line => line !== '');
    return new Map(lines.map(line => [line.slice(line.indexOf('\t') + 1), Number.parseInt(line, 10)]));
  };
  const [bytes, inodes] = await Promise.all([totals('--block-size=1'), totals('--inodes')]);
  return new Map([...bytes].map(([path, usedBytes]) => [path, { usedBytes, inodesUsed: inodes.get(path) ?? 0 }]));
}
