/**
 * Gives a volume to a group, as `securityContext.fsGroup` asks. Source: kubernetes.io/docs, "Configure a Security Context";
 * kubernetes `pkg/volume/volume_linux.go`.
 *
 * Whoever uses the volume may swap its folders and files for links at any moment: everything is held open before it is looked at, and what
 * was looked at is what is changed. Differs: upstream's walk goes by names, and follows such a link.
 */
import { constants, type Stats } from 'node:fs';
import { chmod, chown, lchown, open, opendir, type FileHandle } from 'node:fs/promises';
import { O_PATH } from './open-inside.ts';

/** Keeps the threads for file access busy, four of them, and no more. */
const AT_ONCE = 8;
/** Each level is held open. */
const MAX_DEPTH = 1_000;

/** The tree is larger than the caller wants to walk here; what was done stays done. */
export class TreeTooLarge extends Error {
  override readonly name = 'TreeTooLarge';
}

export interface GiveToGroupOptions {
  /** `OnRootMismatch` leaves a volume alone whose root is the group's already; `Root` changes nothing but the root; all else is `Always`. */
  readonly policy?: string | undefined;
  /** Files so far; called for each. @throws what ends the walk */
  readonly onFile?: (count: number) => void;
}

/** Group read and write, and for folders set-group-id besides, so that what is made inside belongs to the group too. */
function groupMode(mode: number, isDirectory: boolean): number {
  return mode | (isDirectory ? 0o2770 : 0o660);
}

export async function giveToGroup(directory: string, groupId: number, options: GiveToGroupOptions = {}): Promise<void> {
  const { policy, onFile } = options;
  const root = await open(directory, O_PATH | constants.O_DIRECTORY);
  try {
    if (policy === 'OnRootMismatch') {
      const { gid, mode } = await root.stat();
      if (gid === groupId && (mode & 0o2770) === 0o2770) return;
    }
    let count = 0;
    const own = async (handle: FileHandle, byName: string, depth: number, atOnce: number): Promise<void> => {
      onFile?.(++count);
      const stats = await handle.stat();
      // The root comes last, so that a walk that was cut short is not taken for a whole one.
      if (stats.isDirectory() && policy !== 'Root') await ownAllIn(handle, depth + 1, atOnce);
      await change(handle, byName, stats, groupId);
    };
    const ownAllIn = async (folder: FileHandle, depth: number, atOnce: number): Promise<void> => {
      if (depth > MAX_DEPTH) throw new Error(`${directory}: folders are nested deeper than ${MAX_DEPTH} levels`);
      for await (const batch of batchesOf(pathOf(folder), atOnce)) {
        const each = Math.max(1, Math.floor(atOnce / batch.length));
        const done = await Promise.allSettled(
          batch.map(path => held(path, handle => own(handle, path, depth, each)).catch(ignoreGone)),
        );
        for (const one of done) if (one.status === 'rejected') throw one.reason;
      }
    };
    await own(root, directory, 0, AT_ONCE);
  } finally {
    await root.close();
  }
}

/** @param byName a path to it, for links: they have no mode, and no path of their own leads to them */
async function change(handle: FileHandle, byName: string, stats: Stats, groupId: number): Promise<void> {
  if (stats.isSymbolicLink()) {
    if (stats.gid !== groupId) await lchown(byName, stats.uid, groupId);
    return;
  }
  if (stats.gid !== groupId) await chown(pathOf(handle), stats.uid, groupId);
  const before = stats.mode & 0o7777;
  const mode = groupMode(before, stats.isDirectory());
  // chown clears set-id bits, so the mode comes second.
  if (mode !== before || (stats.gid !== groupId && (before & 0o6000) !== 0)) await chmod(pathOf(handle), mode);
}

/** Its entries, never all of them at a time: there may be millions. */
async function* batchesOf(folder: string, size: number): AsyncGenerator<string[]> {
  let batch: string[] = [];
  for await (const { name } of await opendir(folder)) {
    if (batch.push(`${folder}/${name}`) < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

async function held(path: string, act: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await open(path, O_PATH | constants.O_NOFOLLOW);
  try {
    await act(handle);
  } finally {
    await handle.close();
  }
}

/** Of what is held open, whatever its name leads to by now. */
function pathOf(handle: FileHandle): string {
  return `/proc/self/fd/${handle.fd}`;
}

/** Whoever else uses the volume may remove files meanwhile. */
function ignoreGone(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
