/**
 * Gives a volume to a group, as `securityContext.fsGroup` asks. Source: kubernetes.io/docs, "Configure a Security Context";
 * kubernetes `pkg/volume/volume_linux.go`.
 */
import { chmod, lchown, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Keeps the threads for file access busy, four of them, and no more. */
const AT_ONCE = 8;

/** The tree is larger than the caller wants to walk here; what was done stays done. */
export class TreeTooLarge extends Error {
  override readonly name = 'TreeTooLarge';
}

export interface GiveToGroupOptions {
  /** `OnRootMismatch` leaves a volume alone whose root is the group's already; all else is `Always`. */
  readonly policy?: string | undefined;
  /** Files so far; called for each. @throws what ends the walk */
  readonly onFile?: (count: number) => void;
}

/** Group read and write, and for folders set-group-id besides, so that what is made inside belongs to the group too. */
function groupMode(mode: number, isDirectory: boolean): number {
  return mode | (isDirectory ? 0o2770 : 0o660);
}

export async function giveToGroup(directory: string, groupId: number, options: GiveToGroupOptions = {}): Promise<void> {
  if (options.policy === 'OnRootMismatch') {
    const root = await lstat(directory);
    if (root.gid === groupId && (root.mode & 0o2770) === 0o2770) return;
  }
  let count = 0;
  const own = async (path: string, atOnce: number): Promise<void> => {
    options.onFile?.(++count);
    const stats = await lstat(path);
    if (stats.isDirectory()) {
      // The root comes last, so that a walk that was cut short is not taken for a whole one.
      const names = await readdir(path);
      for (let i = 0; i < names.length; i += atOnce) {
        const batch = names.slice(i, i + atOnce);
        const each = Math.max(1, Math.floor(atOnce / batch.length));
        await Promise.all(batch.map(name => own(join(path, name), each).catch(ignoreGone)));
      }
    }
    if (stats.gid !== groupId) await lchown(path, stats.uid, groupId);
    if (stats.isSymbolicLink()) return;
    const before = stats.mode & 0o7777;
    const mode = groupMode(before, stats.isDirectory());
    // chown clears set-id bits, so the mode comes second.
    if (mode !== before || (stats.gid !== groupId && (before & 0o6000) !== 0)) await chmod(path, mode);
  };
  await own(directory, AT_ONCE);
}

/** Whoever else uses the volume may remove files meanwhile. */
function ignoreGone(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
