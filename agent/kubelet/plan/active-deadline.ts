/** `activeDeadlineSeconds`: how long a pod may run, counted from its start time. */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { PodVerdict } from './pod-status.ts';

/** @returns undefined for a pod without a deadline, or that has not started */
export function deadlineVerdict(
  pod: Pod,
  startTime: string | undefined,
  nowMs: number,
): { dueInMs: number; verdict: PodVerdict } | undefined {
  const { activeDeadlineSeconds } = pod.spec;
  if (activeDeadlineSeconds === undefined || startTime === undefined) return undefined;
  const dueInMs = Date.parse(startTime) + activeDeadlineSeconds * 1000 - nowMs;
  return {
    dueInMs,
    verdict: { reason: 'DeadlineExceeded', message: 'Pod was active on the node longer than the specified deadline' },
  };
}
