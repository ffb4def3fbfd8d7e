/** How many pods a Job makes or ends now. Pure. Source: upstream `pkg/controller/job/job_controller.go` (manageJob). */
import type { Job } from '../../../../proto/api/batch-v1.ts';
import { inDeletionOrder } from '../../replicaset/plan/deletion-order.ts';
import { backoffLeftMs } from './backoff.ts';
import { countsByIndex, type Count } from './count.ts';
import { IndexRanges } from './index-ranges.ts';
import { failuresBefore, isIndexed, replacesEndedOnly, type JobPod } from './job-pod.ts';
import type { NewPod } from './pod-for-job.ts';

const MOST_AT_ONCE = 500;

export interface Changes {
  readonly create: readonly NewPod[];
  /** Too many: they do not count, neither as failed nor else. */
  readonly remove: readonly JobPod[];
  /** When what failed may be replaced. */
  readonly afterMs?: number | undefined;
}

const NOTHING: Changes = { create: [], remove: [] };

/** When it is looked at: by the clock on the wall, which pods' times are of, and by the one that never jumps, which delays are measured by. */
export interface Moment {
  readonly nowMs: number;
  readonly monotonicMs: number;
}

export function manage(job: Job, pods: readonly JobPod[], count: Count, { nowMs, monotonicMs }: Moment): Changes {
  const active = pods.filter(pod => pod.isActive);
  if (job.spec.suspend === true) return { create: [], remove: active.slice(0, MOST_AT_ONCE) };
  const wanted = wantedOf(job, count, active.length);
  const remove = surplusOf(job, active, Math.max(0, active.length - wanted), nowMs).slice(0, MOST_AT_ONCE);
  if (remove.length > 0) return { create: [], remove };
  const held = replacesEndedOnly(job) ? pods.filter(pod => pod.isTerminating) : [];
  const missing = Math.min(wanted - active.length - held.length, MOST_AT_ONCE);
  if (missing <= 0) return NOTHING;
  if (countsByIndex(job)) return nextOfEachIndex(job, [...active, ...held], count, missing, monotonicMs);
  const waitMs = backoffLeftMs(count.backoff, monotonicMs);
  if (waitMs > 0) return { ...NOTHING, afterMs: waitMs };
  const indexes = isIndexed(job) ? freeIndexes(job, [...active, ...held], count, missing) : undefined;
  const create = indexes ?? Array.from({ length: missing }, () => undefined);
  return { create: create.map(index => ({ index })), remove: [] };
}

function wantedOf({ spec }: Job, { succeeded, failedIndexes }: Count, active: number): number {
  const parallelism = spec.parallelism ?? 1;
  // One success is enough, and those who are at it see it through.
  if (spec.completions === undefined) return succeeded > 0 ? active : parallelism;
  return Math.min(parallelism, Math.max(0, spec.completions - succeeded - failedIndexes.size));
}

function surplusOf(job: Job, active: readonly JobPod[], atLeast: number, nowMs: number): JobPod[] {
  const byPod = new Map(active.map(each => [each.pod, each]));
  const ordered = inDeletionOrder([...byPod.keys()], [], nowMs).flatMap(pod => byPod.get(pod) ?? []);
  if (!isIndexed(job)) return ordered.slice(0, atLeast);
  const best = new Map(ordered.map(pod => [pod.index, pod]));
  // Of several pods of one index one is enough, and of none beyond the end.
  const isUseless = (pod: JobPod): boolean => pod.index < 0 || best.get(pod.index) !== pod;
  const useless = ordered.filter(isUseless);
  return [...useless, ...ordered.filter(pod => !isUseless(pod)).slice(0, Math.max(0, atLeast - useless.length))];
}

function freeIndexes({ spec }: Job, at: readonly JobPod[], count: Count, missing: number): number[] {
  const taken = IndexRanges.of(at.filter(({ index }) => index >= 0).map(({ index }) => index));
  const over = count.completed.union(count.failedIndexes);
  return taken.union(over).firstMissing(missing, spec.completions ?? 0);
}

/** Each index waits by itself. Differs: while one waits, others take its place; upstream's keep it free. */
function nextOfEachIndex(job: Job, at: readonly JobPod[], count: Count, missing: number, monotonicMs: number): Changes {
  const create: NewPod[] = [];
  let afterMs = Infinity;
  for (const index of freeIndexes(job, at, count, missing + count.kept.size)) {
    if (create.length === missing) break;
    const last = count.kept.get(index);
    const { counted, ignored } = last === undefined ? { counted: 0, ignored: 0 } : failuresBefore(last.pod);
    const failures = last === undefined ? 0 : counted + ignored + 1;
    const lastFailureMs = last?.endedMs ?? 0;
    const leftMs = backoffLeftMs({ failures, lastFailureMs }, monotonicMs);
    if (leftMs > 0) {
      afterMs = Math.min(afterMs, leftMs);
      continue;
    }
    const isIgnored = last?.failure.action === 'Ignore';
    const isCounted = last !== undefined && !isIgnored;
    create.push({
      index,
      failures: { counted: counted + (isCounted ? 1 : 0), ignored: ignored + (isIgnored ? 1 : 0) },
    });
  }
  return { create, remove: [], ...(afterMs === Infinity ? {} : { afterMs }) };
}
