/**
 * Cron schedules: five fields of numbers, names, ranges, steps and lists, or a macro; and the times that they name.
 * Source: kubernetes.io/docs, "CronJob", schedule syntax; messages and the handling of days and clock changes as in robfig/cron.
 */
import { parseDurationMs } from './duration.ts';
import { timeZoneProblem } from './time-zone.ts';

interface CronField {
  readonly min: number;
  readonly max: number;
  readonly names: readonly string[];
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const FIELDS: readonly CronField[] = [
  { min: 0, max: 59, names: [] },
  { min: 0, max: 23, names: [] },
  { min: 1, max: 31, names: [] },
  { min: 1, max: 12, names: MONTHS },
  { min: 0, max: 6, names: DAYS },
];

const MACROS: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};
const MINUTE_MS = 60_000;
/** A schedule that names no day within five years (30 February) names none. */
const HORIZON_MS = 5 * 366 * 24 * 60 * MINUTE_MS;

/** What is wrong with `schedule`; undefined if nothing. */
export function cronScheduleProblem(text: string): string | undefined {
  const { zone, schedule } = splitZone(text);
  const zoneProblem = zone === undefined ? undefined : timeZoneProblem(zone);
  if (zoneProblem !== undefined) return `provided bad location ${zone}: ${zoneProblem}`;
  if (schedule.startsWith('@')) return descriptorProblem(schedule);
  const parts = schedule.trim().split(/\s+/);
  if (parts.length !== FIELDS.length) {
    return `expected exactly 5 fields, found ${parts.length}: [${parts.join(' ')}]`;
  }
  for (const [i, part] of parts.entries()) {
    const field = FIELDS[i];
    for (const item of part.split(',')) {
      const problem = field === undefined ? undefined : itemProblem(item, field);
      if (problem !== undefined) return problem;
    }
  }
  return undefined;
}

/** Old schedules may begin with their time zone: `TZ=Europe/Berlin 0 9 * * *`. */
function splitZone(text: string): { zone: string | undefined; schedule: string } {
  const [prefix = '', zone = ''] = /^(?:CRON_)?TZ=(\S*)\s+/.exec(text) ?? [];
  return { zone: zone === '' ? undefined : zone, schedule: text.slice(prefix.length) };
}

function descriptorProblem(descriptor: string): string | undefined {
  if (MACROS[descriptor] !== undefined) return undefined;
  if (!descriptor.startsWith('@every ')) return `unrecognized descriptor: ${descriptor}`;
  const every = descriptor.slice('@every '.length);
  if (parseDurationMs(every) !== undefined) return undefined;
  return `failed to parse duration ${descriptor}: time: invalid duration ${JSON.stringify(every)}`;
}

function itemProblem(item: string, field: CronField): string | undefined {
  const [range = '', step, ...more] = item.split('/');
  if (more.length > 0) return `too many slashes: ${item}`;
  if (step !== undefined && !/^[0-9]+$/.test(step)) return `failed to parse int from ${step}`;
  if (step !== undefined && Number(step) === 0) return `step of range should be a positive number: ${item}`;
  if (range === '*' || range === '?') return undefined;
  const [from = '', to, ...rest] = range.split('-');
  if (rest.length > 0) return `too many hyphens: ${item}`;
  const low = numberOf(from, field, field.min);
  const high = to === undefined ? low : numberOf(to, field, field.min);
  if (low === undefined) return `failed to parse int from ${from}`;
  if (high === undefined) return `failed to parse int from ${to ?? ''}`;
  if (low < field.min) return `beginning of range (${low}) below minimum (${field.min}): ${item}`;
  if (high > field.max) return `end of range (${high}) above maximum (${field.max}): ${item}`;
  return low > high ? `beginning of range (${low}) beyond end of range (${high}): ${item}` : undefined;
}

function numberOf(text: string, field: CronField, base: number): number | undefined {
  const named = field.names.indexOf(text.toLowerCase());
  if (named >= 0) return named + base;
  return /^[0-9]+$/.test(text) ? Number(text) : undefined;
}

/** A schedule in a time zone. */
export interface CronSchedule {
  /** Of `@every`: the time between two starts, milliseconds. */
  readonly everyMs?: number | undefined;
  /** The first time after `afterMs` (ms since the epoch) that the schedule names; undefined: never again. */
  next(afterMs: number): number | undefined;
}

/**
 * @param text one that `cronScheduleProblem` finds nothing wrong with
 * @param timeZone IANA name, default UTC
 * @throws RangeError when Node does not know the time zone
 */
export function parseCronSchedule(text: string, timeZone?: string): CronSchedule {
  const { zone, schedule } = splitZone(text);
  if (schedule.startsWith('@every ')) {
    const wantedMs = parseDurationMs(schedule.slice('@every '.length)) ?? 0;
    const everyMs = Math.max(1000, Math.floor(wantedMs / 1000) * 1000);
    return { everyMs, next: afterMs => Math.floor((afterMs + everyMs) / 1000) * 1000 };
  }
  const parts = (MACROS[schedule] ?? schedule).trim().split(/\s+/);
  const [minutes, hours, days, months, weekdays] = FIELDS.map((field, i) => valuesOf(parts[i] ?? '*', field));
  const everyDay = isStar(parts[2]) || isStar(parts[4]);
  const clock = new LocalClock(timeZone ?? zone ?? 'UTC');
  const matchesDay = ({ day, month, weekday }: LocalTime): boolean => {
    if (months?.has(month) !== true) return false;
    const [byDay, byWeekday] = [days?.has(day) === true, weekdays?.has(weekday) === true];
    // If both are restricted, either will do.
    return everyDay ? byDay && byWeekday : byDay || byWeekday;
  };
  return {
    next(afterMs) {
      let atMs = (Math.floor(afterMs / MINUTE_MS) + 1) * MINUTE_MS;
      const endMs = atMs + HORIZON_MS;
      while (atMs < endMs) {
        const local = clock.at(atMs);
        // Steps never pass over a clock change unseen: each is to the end of the local day or hour, as the clock runs now.
        if (!matchesDay(local)) atMs += Math.min(untilHourEnds(local), 60) * MINUTE_MS + hoursLeft(local);
        else if (hours?.has(local.hour) !== true) atMs += untilHourEnds(local) * MINUTE_MS;
        else if (minutes?.has(local.minute) !== true) atMs += MINUTE_MS;
        else return atMs;
      }
      return undefined;
    },
  };
}

/** Whole hours of the local day after this one, but one: the day's last hour is gone through, whatever its clock does. */
function hoursLeft({ hour }: LocalTime): number {
  return Math.max(0, 22 - hour) * 60 * MINUTE_MS;
}

function untilHourEnds({ minute }: LocalTime): number {
  return 60 - minute;
}

function isStar(part = '*'): boolean {
  return part.split(',').some(item => /^[*?](?:\/1)?$/.test(item));
}

function valuesOf(part: string, field: CronField): Set<number> {
  const values = new Set<number>();
  for (const item of part.split(',')) {
    const [range = '', step] = item.split('/');
    const isAny = range === '*' || range === '?';
    const [from = '', to] = range.split('-');
    const low = isAny ? field.min : (numberOf(from, field, field.min) ?? field.min);
    // `5/15` goes on to the end of the field.
    const open = isAny || (to === undefined && step !== undefined);
    const high = open ? field.max : to === undefined ? low : (numberOf(to, field, field.min) ?? low);
    for (let value = low; value <= Math.min(high, field.max); value += Number(step ?? 1)) values.add(value);
  }
  return values;
}

interface LocalTime {
  month: number;
  day: number;
  /** 0 is Sunday. */
  weekday: number;
  hour: number;
  minute: number;
}

/** What a clock on the wall shows. */
class LocalClock {
  private readonly format: Intl.DateTimeFormat | undefined;

  constructor(timeZone: string) {
    const options = { month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', weekday: 'short' } as const;
    if (timeZone !== 'UTC') this.format = new Intl.DateTimeFormat('en-US', { ...options, hourCycle: 'h23', timeZone });
  }

  at(ms: number): LocalTime {
    if (this.format === undefined) {
      const date = new Date(ms);
      return {
        month: date.getUTCMonth() + 1,
        day: date.getUTCDate(),
        weekday: date.getUTCDay(),
        hour: date.getUTCHours(),
        minute: date.getUTCMinutes(),
      };
    }
    const parts = Object.fromEntries(this.format.formatToParts(ms).map(({ type, value }) => [type, value]));
    return {
      month: Number(parts['month']),
      day: Number(parts['day']),
      weekday: DAYS.indexOf((parts['weekday'] ?? '').toLowerCase()),
      hour: Number(parts['hour']),
      minute: Number(parts['minute']),
    };
  }
}
