/** Jobs and pods in the shapes that plans are tried with. */
import type { Job, JobSpec, JobStatus } from '../../../../proto/api/batch-v1.ts';
import type { Pod } from '../../../../proto/api/core-v1.ts';
import { formatTime } from '../../../../machinery/meta/time.ts';
import { NO_FAILURES } from '../plan/backoff.ts';
import { FAILURE_COUNT, finishedMs, IGNORED_FAILURE_COUNT, INDEX, TRACKING_FINALIZER } from '../plan/job-pod.ts';
import { planJob, type JobPlan } from '../plan/job-plan.ts';

export const NOW_MS = Date.parse('2026-01-01T01:00:00Z');
export const agoSeconds = (seconds: number): string => formatTime(NOW_MS - seconds * 1000);

export const job = (spec: Partial<JobSpec>, status: Partial<JobStatus> = {}): Job => ({
  metadata: { name: 'j', namespace: 'default', uid: 'u' },
  spec: { parallelism: 1, template: { spec: { containers: [{ name: 'c' }], restartPolicy: 'Never' } }, ...spec },
  status: { startTime: agoSeconds(100), ...status },
});
export const indexed = (spec: Partial<JobSpec>, status: Partial<JobStatus> = {}): Job =>
  job({ completionMode: 'Indexed', ...spec }, status);

interface PodOptions {
  phase?: string;
  tracked?: boolean;
  index?: number;
  failures?: number;
  ignored?: number;
  exitCode?: number;
  /** Default 5. */
  endedSecondsAgo?: number;
  deleting?: boolean;
  restarts?: number;
  ready?: boolean;
  conditions?: { type: string; status: string }[];
}

let nextUid = 0;
export function pod(options: PodOptions = {}): Pod {
  const { phase = 'Running', tracked = true, index, failures, ignored, exitCode, endedSecondsAgo = 5 } = options;
  const uid = `p${nextUid++}`;
  const terminated = exitCode === undefined ? undefined : { exitCode, finishedAt: agoSeconds(endedSecondsAgo) };
  const ready = { type: 'Ready', status: options.ready === true ? 'True' : 'False' };
  return {
    metadata: {
      name: uid,
      uid,
      namespace: 'default',
      annotations: {
        ...(index === undefined ? {} : { [INDEX]: String(index) }),
        ...(failures === undefined ? {} : { [FAILURE_COUNT]: String(failures) }),
        ...(ignored === undefined ? {} : { [IGNORED_FAILURE_COUNT]: String(ignored) }),
      },
      finalizers: tracked ? [TRACKING_FINALIZER] : [],
      deletionTimestamp: options.deleting === true ? agoSeconds(30) : undefined,
    },
    spec: { containers: [], nodeName: 'n' },
    status: {
      phase,
      conditions: [ready, ...(options.conditions ?? [])],
      containerStatuses: [
        { name: 'c', image: '', imageID: '', ready: true, restartCount: options.restarts ?? 0, state: { terminated } },
      ],
    },
  };
}

export const many = (n: number, options: PodOptions = {}): Pod[] => Array.from({ length: n }, () => pod(options));
export const succeeded = (options: PodOptions = {}): Pod => pod({ phase: 'Succeeded', exitCode: 0, ...options });
export const failed = (options: PodOptions = {}): Pod => pod({ phase: 'Failed', exitCode: 1, ...options });
/** As it is once the job has let it go. */
export const released = (each: Pod): Pod => ({ ...each, metadata: { ...each.metadata, finalizers: [] } });

export const plan = (subject: Job, pods: readonly Pod[], backoff = NO_FAILURES): JobPlan =>
  planJob({ job: subject, pods, backoff, endOf: finishedMs, monotonicMs: NOW_MS, nowMs: NOW_MS });
export const then = (subject: Job, done: JobPlan, pods: readonly Pod[]): JobPlan =>
  plan({ ...subject, status: done.status }, pods, done.backoff);
export const types = ({ status }: JobPlan): string[] =>
  (status.conditions ?? []).map(({ type, status: value }) => `${type}=${value}`);
export const reasonOf = ({ status }: JobPlan): string | undefined => status.conditions?.at(-1)?.reason;
