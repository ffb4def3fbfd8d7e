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
