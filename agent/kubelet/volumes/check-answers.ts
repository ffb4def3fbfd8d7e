/** Whether the file system of a volume still answers, before the container runtime touches it and hangs. */
import type { GuardedFiles } from '../../host/files/guarded-files.ts';
import type { PreparedVolume } from './volume-manager.ts';

/** @throws UnresponsiveMountError */
export async function checkAnswers(
  files: GuardedFiles,
  { hostPath }: PreparedVolume,
  signal: AbortSignal,
): Promise<void> {
  if (hostPath !== '') await files.run('checkPath', { path: hostPath, type: '' }, { signal });
}
