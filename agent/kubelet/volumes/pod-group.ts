/** Gives a volume to its pod's `fsGroup`, and tells of it when that takes long. Source: kubernetes `pkg/volume/volume_linux.go`. */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { GuardedFiles } from '../../host/files/guarded-files.ts';

/** Tells people of a pod what goes on. Must not throw. */
export type TellProgress = (pod: Pod, reason: string, message: string) => void;

const FIRST_TOLD_MS = 5_000;
const TOLD_EVERY_MS = 60_000;

/** @throws UnresponsiveMountError, or the file system's error */
export async function giveToPodGroup(
  files: GuardedFiles,
  pod: Pod,
  folder: string,
  signal: AbortSignal,
  tell: TellProgress,
): Promise<void> {
  const { fsGroup, fsGroupChangePolicy } = pod.spec.securityContext ?? {};
  if (fsGroup === undefined) return;
  let nextTellMs = performance.now() + FIRST_TOLD_MS;
  const progress = (count: number): void => {
    if (performance.now() < nextTellMs) return;
    nextTellMs = performance.now() + TOLD_EVERY_MS;
    tell(
      pod,
      'VolumePermissionChangeInProgress',
      `Setting volume ownership for ${folder}, processed ${count} files. ` +
        'With fsGroupChangePolicy OnRootMismatch, a volume that is set already is left alone',
    );
  };
  await files.run('giveToGroup', { path: folder, groupId: fsGroup, policy: fsGroupChangePolicy }, { signal, progress });
}
