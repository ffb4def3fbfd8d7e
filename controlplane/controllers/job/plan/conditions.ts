/** The conditions of a Job, and what is told of those that are new. Pure. Source: upstream `pkg/controller/job/job_controller.go`. */
import type { Job, JobCondition, JobStatus } from '../../../../proto/api/batch-v1.ts';
import { findCondition, isConditionTrue, setCondition } from '../../../../machinery/meta/object.ts';
import type { Verdict } from './verdict.ts';

type Conditions = readonly JobCondition[];

export function isFinished({ status }: Job): boolean {
  return isConditionTrue(status?.conditions, 'Complete') || isConditionTrue(status?.conditions, 'Failed');
}

function set(conditions: Conditions, type: string, value: 'True' | 'False', why: Why, now: string): Conditions {
  const before = findCondition(conditions, type);
  if (before?.status === value && before.reason === why.reason && before.message === why.message) return conditions;
  const { reason, message } = why;
  return setCondition(conditions, { type, status: value, reason, message, lastProbeTime: now }, now);
}

interface Why {
  readonly reason: string;
  readonly message: string;
}

export function suspended(conditions: Conditions, now: string): Conditions {
  return set(conditions, 'Suspended', 'True', { reason: 'JobSuspended', message: 'Job suspended' }, now);
}

/** Nothing where it never was suspended. */
export function resumed(conditions: Conditions, now: string): Conditions {
  if (findCondition(conditions, 'Suspended') === undefined) return conditions;
  return set(conditions, 'Suspended', 'False', { reason: 'JobResumed', message: 'Job resumed' }, now);
}

/** First that the end is certain, and once nothing of it runs or is to be counted, that it is there. */
export function ended(conditions: Conditions, verdict: Verdict, isOver: boolean, now: string): Conditions {
  const certain = set(conditions, verdict.type, 'True', verdict, now);
  const last = verdict.type === 'SuccessCriteriaMet' ? 'Complete' : 'Failed';
  return isOver ? set(certain, last, 'True', verdict, now) : certain;
}

/** For an event about the job. */
export interface Told {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

export function newsOf({ spec, status: before }: Job, status: JobStatus): Told[] {
  const isNew = (type: string): boolean =>
    isConditionTrue(status.conditions, type) && !isConditionTrue(before?.conditions, type);
  const news: Told[] = [];
  if (isNew('Suspended')) news.push({ type: 'Normal', reason: 'Suspended', message: 'Job suspended' });
  if (isConditionTrue(before?.conditions, 'Suspended') && !isConditionTrue(status.conditions, 'Suspended'))
    news.push({ type: 'Normal', reason: 'Resumed', message: 'Job resumed' });
  if (isNew('Complete')) {
    const message = 'Too many succeeded pods running after completion count reached';
    if ((status.succeeded ?? 0) > (spec.completions ?? Infinity))
      news.push({ type: 'Warning', reason: 'TooManySucceededPods', message });
    news.push({ type: 'Normal', reason: 'Completed', message: 'Job completed' });
  }
  const { reason = '', message = '' } = findCondition(status.conditions, 'Failed') ?? {};
  if (isNew('Failed')) news.push({ type: 'Warning', reason, message });
  return news;
}
