/** Gives a volume to a group, as `securityContext.fsGroup` asks. Source: kubernetes.io/docs, "Configure a Security Context". */
import { chmod, lchown, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pod } from '../../../proto/api/core-v1.ts';

/** Group read and write for files, and for folders set-group-id besides, so that what is made inside belongs to the group too. */
function groupMode(mode: number, isDirectory: boolean): number {
  return isDirectory ? mode | 0o2770 : mode | 0o660 | (mode & 0o100 ? 0o010 : 0);
}

/**
 * @param policy `OnRootMismatch` leaves a volume alone whose root is the group's already
 */
export async function applyFsGroup(directory: string, groupId: number, policy: string | undefined): Promise<void> {
  if (policy === 'OnRootMismatch') {
    const root = await lstat(directory);
    if (root.gid === groupId && (root.mode & 0o2770) === 0o2770) return;
  }
  await own(directory, groupId);
}

async function own(path: string, groupId: number): Promise<void> {
  const stats = await lstat(path);
  await lchown(path, stats.uid, groupId);
  if (stats.isSymbolicLink()) return;
  // chown clears set-id bits, so the mode comes second.
  await chmod(path, groupMode(stats.mode & 0o7777, stats.isDirectory()));
  if (stats.isDirectory()) for (const name of await readdir(path)) await own(join(path, name), groupId);
}

/** Gives a volume to its pod's `fsGroup`, if the pod has one. */
export async function applyPodGroup({ spec }: Pod, directory: string): Promise<void> {
  const { fsGroup, fsGroupChangePolicy } = spec.securityContext ?? {};
  if (fsGroup !== undefined) await applyFsGroup(directory, fsGroup, fsGroupChangePolicy);
}
