/** When an ended Job goes by itself. Pure. Source: upstream `pkg/controller/ttlafterfinished`. */
import type { Job } from '../../../proto/api/batch-v1.ts';
import { findCondition, isDeleting } from '../../../machinery/meta/object.ts';
import { parseTime } from '../../../machinery/meta/time.ts';

/** Milliseconds since the epoch; undefined as long as the job runs, or if it is to stay. */
export function expiryMs(job: Job): number | undefined {
  const { ttlSecondsAfterFinished } = job.spec;
  if (ttlSecondsAfterFinished === undefined || isDeleting(job)) return undefined;
  for (const type of ['Complete', 'Failed']) {
    const condition = findCondition(job.status?.conditions, type);
    const endedMs = parseTime(condition?.lastTransitionTime ?? '');
    if (condition?.status === 'True' && endedMs !== undefined) return endedMs + ttlSecondsAfterFinished * 1000;
  }
  return undefined;
}
