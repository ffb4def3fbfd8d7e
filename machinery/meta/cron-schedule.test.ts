import { expect, test } from '@jest/globals';
import { parseCronSchedule } from './cron-schedule.ts';

const at = (text: string): number => Date.parse(text);

test.each<[string, string | undefined, string, string | undefined]>([
  ['* * * * *', undefined, '2026-01-01T00:00:00Z', '2026-01-01T00:01:00Z'],
  ['*/15 * * * *', undefined, '2026-01-01T00:14:59Z', '2026-01-01T00:15:00Z'],
  ['5/20 * * * *', undefined, '2026-01-01T00:26:00Z', '2026-01-01T00:45:00Z'],
  ['0 0 1 jan *', undefined, '2026-01-01T00:00:00Z', '2027-01-01T00:00:00Z'],
  ['30 3 * * mon-fri', undefined, '2026-11-20T04:00:00Z', '2026-11-23T03:30:00Z'],
  ['0 12 13 * 5', undefined, '2026-11-01T00:00:00Z', '2026-11-06T12:00:00Z'],
  ['0 12 13 * *', undefined, '2026-11-01T00:00:00Z', '2026-11-13T12:00:00Z'],
  ['0 0 29 2 *', undefined, '2026-01-01T00:00:00Z', '2028-02-29T00:00:00Z'],
  ['0 0 30 2 *', undefined, '2026-01-01T00:00:00Z', undefined],
  ['@hourly', undefined, '2026-01-01T00:00:01Z', '2026-01-01T01:00:00Z'],
  ['@weekly', undefined, '2026-11-21T00:00:00Z', '2026-11-22T00:00:00Z'],
  ['@every 90s', undefined, '2026-01-01T00:00:00.400Z', '2026-01-01T00:01:30Z'],
  ['0 9 * * *', 'Europe/Berlin', '2026-01-01T00:00:00Z', '2026-01-01T08:00:00Z'],
  ['0 9 * * *', 'Europe/Berlin', '2026-07-01T00:00:00Z', '2026-07-01T07:00:00Z'],
  ['0 0 * * *', 'Asia/Kolkata', '2026-07-01T00:00:00Z', '2026-07-01T18:30:00Z'],
  // The clock is put forward from 2:00 to 3:00: there is no 2:30 on that day.
  ['30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00:00Z', '2026-03-30T00:30:00Z'],
  // And back from 3:00 to 2:00: 2:30 comes twice.
  ['30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00:00Z', '2026-10-25T00:30:00Z'],
  ['30 2 * * *', 'Europe/Berlin', '2026-10-25T00:30:00Z', '2026-10-25T01:30:00Z'],
  ['0 0 * * *', 'Europe/Berlin', '2026-10-25T00:30:00Z', '2026-10-25T23:00:00Z'],
])('%s in %s after %s is %s', (schedule, zone, after, expected) => {
  const next = parseCronSchedule(schedule, zone).next(at(after));
  expect(next === undefined ? undefined : new Date(next).toISOString().replace('.000', '')).toBe(expected);
});

test('never misses a minute that matches', () => {
  const schedule = parseCronSchedule('17 */7 * * *', 'America/New_York');
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: 'America/New_York',
    hour: 'numeric',
    minute: 'numeric',
    hourCycle: 'h23',
  });
  const expected: number[] = [];
  const [from, to] = [at('2026-10-30T00:00:00Z'), at('2026-11-04T00:00:00Z')];
  for (let ms = from + 60_000; ms < to; ms += 60_000)
    if (/^(00|07|14|21):17$/.test(format.format(ms))) expected.push(ms);
  const found: number[] = [];
  for (let ms = schedule.next(from); ms !== undefined && ms < to; ms = schedule.next(ms)) found.push(ms);
  expect(found).toEqual(expected);
});
