/**
 * The syntax of cron schedules: five fields of numbers, names, ranges, steps and lists, or a macro.
 * Source: kubernetes.io/docs, "CronJob", schedule syntax; messages as robfig/cron gives them.
 */
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

/** What is wrong with `schedule`; undefined if nothing. */
export function cronScheduleProblem(schedule: string): string | undefined {
  if (schedule.startsWith('@')) {
    const known =
      /^@(yearly|annually|monthly|weekly|daily|midnight|hourly)$/.test(schedule) || /^@every \S+$/.test(schedule);
    return known ? undefined : `unrecognized descriptor: ${schedule}`;
  }
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
