/**
 * What a Job needs next. Pure. Source: upstream `pkg/controller/job/job_controller.go`; kubernetes.io/docs, "Jobs".
 */
import type { Job, JobStatus } from '../../../../proto/api/batch-v1.ts';
import type { Pod } from '../../../../proto/api/core-v1.ts';
import { isDeleting } from '../../../../machinery/meta/object.ts';
import { formatTime } from '../../../../machinery/meta/time.ts';
import type { Backoff } from './backoff.ts';
import { ended, isFinished, resumed, suspended } from './conditions.ts';
import { countEnded, countsByIndex, type Count } from './count.ts';
import { isIndexed, jobPodOf, type JobPod } from './job-pod.ts';
import { manage, type Changes } from './manage.ts';
import type { NewPod } from './pod-for-job.ts';
import { deadlineMs, judge, judgeCompletion, knownVerdict, type Verdict } from './verdict.ts';

/** Notes of more pods than this wait: a status has to stay small. */
const MOST_NOTED = 500;

export interface JobView {
  readonly job: Job;
  /** All that it owns; those that it has deleted are shown as such. */
  readonly pods: readonly Pod[];
  /** Uids of pods whose finalizer is off, though they do not show it yet. */
  readonly released?: ReadonlySet<string>;
  readonly backoff: Backoff;
  /** When a pod ended, by the clock that never jumps: delays are measured by that one. */
  endOf(pod: Pod): number;
  readonly monotonicMs: number;
  /** By the clock on the wall: for times that are written, and deadlines that follow from such. */
  readonly nowMs: number;
}

export interface JobPlan {
  /** `active` is without what is to be created. */
  readonly status: JobStatus;
  /** The end is certain: that is to be written before any pod is deleted, since deletions change what is counted. */
  readonly isDecided: boolean;
  readonly create: readonly NewPod[];
  /** To be let go and then deleted: they are not counted. */
  readonly remove: readonly Pod[];
  /** To be deleted; they are let go with the rest. */
  readonly delete: readonly Pod[];
  /** To be let go once the status is written. */
  readonly release: readonly Pod[];
  /** Owned and not tracked: somebody took the finalizer off. */
  readonly track: readonly Pod[];
  /** Actions of the failure policy, one for each pod that is noted now and that a rule is met by. */
  readonly policyActions: readonly string[];
  /** To be remembered once the status is written. */
  readonly backoff: Backoff;
  readonly afterMs: number | undefined;
}

export function planJob(view: JobView): JobPlan {
  const { pods: all, released = new Set<string>(), nowMs } = view;
  const now = formatTime(nowMs);
  const pods = all.map(pod => jobPodOf(view.job, pod, released, view.endOf));
  if (isFinished(view.job)) return lettingGo(view, pods);
  const job = started(view.job, now);
  const count = countEnded(job, pods, view.backoff);
  const isGoing = isDeleting(job);
  let verdict = knownVerdict(job) ?? judge(job, count, pods, nowMs);
  const mayManage = verdict === undefined && !isGoing;
  const { create, remove, afterMs }: Changes = mayManage ? manage(job, pods, count, view) : { create: [], remove: [] };
  const running = pods.filter(pod => pod.isActive && !remove.includes(pod));
  // What is to be made will run.
  verdict ??= judgeCompletion(job, count, running.length + create.length);
  const stopped = verdict === undefined ? [] : running;
  const left = verdict === undefined ? running : [];
  const notes = noteEnded({ job, count, verdict, pods, removed: remove });
  const terminating = pods.filter(pod => pod.isTerminating).length + remove.length + stopped.length;
  const status: JobStatus = {
    ...job.status,
    active: left.length,
    ready: left.filter(pod => pod.isReady).length,
    terminating,
    ...notes.status,
  };
  const isOver = terminating === 0 && notes.isEmpty;
  setConditions(status, { job, verdict, isOver, mayManage, now });
  const untilEndMs = verdict === undefined ? (deadlineMs(job) ?? Infinity) - nowMs : Infinity;
  const nextMs = Math.min(afterMs ?? Infinity, Math.max(0, untilEndMs));
  return {
    status,
    isDecided: verdict !== undefined,
    create,
    remove: remove.map(({ pod }) => pod),
    delete: stopped.map(({ pod }) => pod),
    release: notes.release.map(({ pod }) => pod),
    track: isGoing ? [] : left.filter(pod => !pod.isTracked && !released.has(pod.uid)).map(({ pod }) => pod),
    policyActions: notes.policyActions,
    backoff: count.backoff,
    afterMs: nextMs === Infinity ? undefined : nextMs,
  };
}

/** A job that is over counts nothing more. */
function lettingGo({ job, backoff }: JobView, pods: readonly JobPod[]): JobPlan {
  const release = pods.filter(pod => pod.isTracked).map(({ pod }) => pod);
  const none = { create: [], remove: [], delete: [], track: [], policyActions: [], afterMs: undefined };
  return { ...none, status: job.status ?? {}, isDecided: true, release, backoff };
}

function started(job: Job, now: string): Job {
  if (job.spec.suspend === true || job.status?.startTime !== undefined) return job;
  return { ...job, status: { ...job.status, startTime: now } };
}

interface Noting {
  readonly job: Job;
  readonly count: Count;
  readonly verdict: Verdict | undefined;
  readonly pods: readonly JobPod[];
  readonly removed: readonly JobPod[];
}

interface Notes {
  readonly status: JobStatus;
  readonly release: readonly JobPod[];
  readonly policyActions: readonly string[];
  /** Nothing is left to note or to let go. */
  readonly isEmpty: boolean;
}

/** Notes what ended, so that it can be let go. */
function noteEnded({ job, count, verdict, pods, removed }: Noting): Notes {
  const succeeded = [...count.noted.succeeded];
  const failed = [...count.noted.failed];
  const known = new Set([...succeeded, ...failed]);
  const release: JobPod[] = [];
  const policyActions: string[] = [];
  const isLost = verdict?.type === 'FailureTarget';
  const letsAllGo = verdict !== undefined || isDeleting(job);
  for (const pod of pods) {
    if (!pod.isTracked || removed.includes(pod)) continue;
    if (pod.outcome === undefined && !letsAllGo) continue;
    if (!letsAllGo && count.kept.get(pod.index) === pod) continue;
    if (!known.has(pod.uid) && release.length >= MOST_NOTED) break;
    release.push(pod);
    if (known.has(pod.uid) || (isIndexed(job) && pod.index < 0)) continue;
    // The index alone says of a pod with one that it succeeded.
    if (pod.outcome === 'succeeded') {
      if (!isIndexed(job)) succeeded.push(pod.uid);
      continue;
    }
    if (pod.outcome !== 'failed' && !isLost) continue;
    if (pod.failure.message !== '') policyActions.push(pod.failure.action);
    if (pod.failure.action !== 'Ignore') failed.push(pod.uid);
  }
  const byIndex = countsByIndex(job) ? { failedIndexes: String(count.failedIndexes) } : {};
  const indexes = isIndexed(job) ? { completedIndexes: String(count.completed) || undefined, ...byIndex } : {};
  const status: JobStatus = {
    succeeded: isIndexed(job) ? count.completed.size : count.sums.succeeded,
    failed: count.sums.failed,
    uncountedTerminatedPods: {
      ...(succeeded.length === 0 ? {} : { succeeded }),
      ...(failed.length === 0 ? {} : { failed }),
    },
    ...indexes,
  };
  return { status, release, policyActions, isEmpty: release.length + succeeded.length + failed.length === 0 };
}

interface Outlook {
  readonly job: Job;
  readonly verdict: Verdict | undefined;
  readonly isOver: boolean;
  readonly mayManage: boolean;
  readonly now: string;
}

function setConditions(status: JobStatus, { job, verdict, isOver, mayManage, now }: Outlook): void {
  const before = status.conditions ?? [];
  let conditions: readonly NonNullable<JobStatus['conditions']>[number][] = before;
  if (verdict !== undefined) {
    conditions = ended(before, verdict, isOver, now);
    if (isOver) {
      // A job may have been decided upon while it was suspended.
      status.startTime ??= now;
      // The clock may have been set back.
      const end = now < status.startTime ? status.startTime : now;
      if (verdict.type === 'SuccessCriteriaMet') status.completionTime = end;
      delete status.uncountedTerminatedPods;
    }
  } else if (mayManage && job.spec.suspend === true) {
    conditions = suspended(before, now);
    delete status.startTime;
  } else if (mayManage) {
    conditions = resumed(before, now);
    if (conditions !== before) status.startTime = now;
  }
  if (conditions.length > 0) status.conditions = [...conditions];
}
