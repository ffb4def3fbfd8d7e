/** Names of time zones. Source: Kubernetes `pkg/apis/batch/validation` (validateTimeZone), 1.36; the zones are those that Node knows. */
const PART = /^[A-Za-z._0-9+][A-Za-z.\-_0-9+]{0,13}$/;

/** What is wrong with `zone`; undefined if nothing. */
export function timeZoneProblem(zone: string): string | undefined {
  if (zone === '') return 'timeZone must be nil or non-empty string';
  const unknown = `unknown time zone ${zone}`;
  if (!zone.split('/').every(part => PART.test(part) && part !== '.' && part !== '..')) return unknown;
  if (zone.toLowerCase() === 'local')
    return 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones';
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    // An offset is a zone for Node alone.
    return /^[+-]\d/.test(zone) ? unknown : undefined;
  } catch {
    return unknown;
  }
}

/** RFC 3339 with the offset that the zone has at that moment: `2026-01-02T03:04:05+01:00`. @throws RangeError when the zone is unknown */
export function formatTimeIn(ms: number, timeZone: string): string {
  const seconds = Math.floor(ms / 1000);
  const fields = { year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric' } as const;
  const format = new Intl.DateTimeFormat('en-US', { ...fields, second: 'numeric', hourCycle: 'h23', timeZone });
  const parts = new Map(format.formatToParts(seconds * 1000).map(({ type, value }) => [type, Number(value)]));
  const get = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0;
  const local = Date.UTC(get('year'), get('month') - 1, get('day'), get('hour'), get('minute'), get('second'));
  const offset = Math.round((local / 1000 - seconds) / 60);
  const two = (number: number): string => String(number).padStart(2, '0');
  const size = Math.abs(offset);
  const zone = offset === 0 ? 'Z' : `${offset < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
  return new Date(local).toISOString().slice(0, 19) + zone;
}
