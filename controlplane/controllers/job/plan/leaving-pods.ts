/** Which pods of a Job are going although they do not show it yet. Pure. */
import type { Pod } from '../../../../proto/api/core-v1.ts';

/**
 * @param owned that the job counts on; some of them may be of other versions than in `listed`, which makes none of them go
 * @param listed all that the informer shows as the job's
 * @returns those that were deleted from here, as they will show
 */
export function leavingPods(owned: readonly Pod[], listed: readonly Pod[], deletionTimestamp: string): Pod[] {
  const known = new Set(owned.map(({ metadata }) => metadata.uid));
  return listed
    .filter(({ metadata }) => !known.has(metadata.uid))
    .map(pod => ({ ...pod, metadata: { deletionTimestamp, ...pod.metadata } }));
}
