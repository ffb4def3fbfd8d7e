/**
 * When a CronJob starts its next Job. Pure. Source: kubernetes.io/docs, "CronJob"; upstream `pkg/controller/cronjob/utils.go`.
 */
import type { CronJob } from '../../../../proto/api/batch-v1.ts';
import { parseCronSchedule, type CronSchedule } from '../../../../machinery/meta/cron-schedule.ts';
import { parseTime } from '../../../../machinery/meta/time.ts';

/** So many missed starts mean a clock that is wrong or a controller that was away for long. */
const MANY_MISSED = 100;
/** A clock that is set back by more than this was wrong before. */
const MOST_AHEAD_MS = 3 * 3_600_000;

export interface Due {
  /** The start that is due now; earlier ones that were missed are lost. */
  readonly scheduledMs: number | undefined;
  /** One that was missed for longer than `startingDeadlineSeconds`. */
  readonly missedMs: number | undefined;
  /** When the next one is due. */
  readonly nextMs: number | undefined;
  readonly tooManyMissed: boolean;
}

/**
 * @param sinceMs starts up to then are over, whatever the status says: -Infinity if nothing is known of that
 * @throws RangeError when the time zone is unknown
 */
export function dueStart({ metadata, spec, status }: CronJob, sinceMs: number, nowMs: number): Due {
  const schedule = parseCronSchedule(spec.schedule, spec.timeZone);
  const lastMs = parseTime(status?.lastScheduleTime ?? '') ?? parseTime(metadata.creationTimestamp ?? '') ?? nowMs;
  const earliestMs = Math.max(lastMs, sinceMs);
  const { startMs, isMany } = lastBefore(schedule, earliestMs, nowMs);
  const deadlineMs = (spec.startingDeadlineSeconds ?? Infinity) * 1000;
  const isLate = startMs !== undefined && startMs + deadlineMs < nowMs;
  return {
    scheduledMs: isLate ? undefined : startMs,
    missedMs: isLate ? startMs : undefined,
    nextMs: schedule.next(startMs ?? earliestMs),
    tooManyMissed: isMany && spec.startingDeadlineSeconds === undefined,
  };
}

/** The last start, as far as it is to be believed: one far ahead was noted by a clock that was wrong, and keeps no other from coming. */
export function plausibleStart(startMs: number, nowMs: number): number {
  return startMs > nowMs + MOST_AHEAD_MS ? nowMs : startMs;
}

/** The newest start after `afterMs` and not after `nowMs`. */
function lastBefore(
  schedule: CronSchedule,
  afterMs: number,
  nowMs: number,
): { startMs: number | undefined; isMany: boolean } {
  const { everyMs } = schedule;
  let startMs: number | undefined;
  let missed = 0;
  for (let atMs = schedule.next(afterMs); atMs !== undefined && atMs <= nowMs; atMs = schedule.next(atMs)) {
    startMs = atMs;
    missed++;
    if (missed <= MANY_MISSED) continue;
    if (everyMs !== undefined) return { startMs: atMs + Math.floor((nowMs - atMs) / everyMs) * everyMs, isMany: true };
    // What was long ago does not matter: look for the last one from nearby.
    let backMs = 60_000;
    while (backMs < nowMs - afterMs && !namesOne(schedule, nowMs - backMs, nowMs)) backMs *= 2;
    const fromMs = Math.max(afterMs, nowMs - backMs);
    for (let next = schedule.next(fromMs); next !== undefined && next <= nowMs; next = schedule.next(next))
      startMs = next;
    return { startMs, isMany: true };
  }
  return { startMs, isMany: false };
}

function namesOne(schedule: CronSchedule, fromMs: number, toMs: number): boolean {
  return (schedule.next(fromMs) ?? Infinity) <= toMs;
}
