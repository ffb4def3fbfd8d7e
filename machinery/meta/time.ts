/**
 * Times as the API writes them: RFC 3339 in UTC, whole seconds (`Time`) or six digits (`MicroTime`).
 * Milliseconds since the epoch come in from a Clock; nothing here reads one.
 */
const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)$/;
const CANONICAL_TIME = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$/;

/** `2026-01-02T03:04:05Z`; parts of a second are cut off. */
export function formatTime(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 19)}Z`;
}

/** Milliseconds since the epoch (cut to whole ones), or undefined when `text` is no RFC 3339 time. */
export function parseTime(text: string): number | undefined {
  const parts = timeParts(text);
  return parts === undefined ? undefined : parts.seconds * 1000 + Math.trunc(parts.micros / 1000);
}

/** `text` as the API writes a Time, or undefined when it is none. */
export function canonicalTime(text: string): string | undefined {
  if (CANONICAL_TIME.test(text)) return text;
  const parts = timeParts(text);
  return parts === undefined ? undefined : formatTime(parts.seconds * 1000);
}

/** `text` as the API writes a MicroTime, or undefined when it is none. */
export function canonicalMicroTime(text: string): string | undefined {
  const parts = timeParts(text);
  if (parts === undefined) return undefined;
  return `${formatTime(parts.seconds * 1000).slice(0, 19)}.${String(parts.micros).padStart(6, '0')}Z`;
}

/** Whole seconds since the epoch and the microseconds (0 to 999999) after them; undefined when `text` is no RFC 3339 time. */
export function timeParts(text: string): { seconds: number; micros: number } | undefined {
  const match = RFC3339.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const [, , , , , , , fraction = '', zone = 'Z'] = match;
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const date = new Date(0);
  // Date.UTC() takes years below 100 for 1900 and later.
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  date.setUTCHours(hour, minute, second);
  const micros = Number(`${fraction}000000`.slice(0, 6));
  return { seconds: date.getTime() / 1000 - offsetSeconds(zone), micros };
}

function offsetSeconds(zone: string): number {
  if (zone === 'Z') return 0;
  const seconds = Number(zone.slice(1, 3)) * 3600 + Number(zone.slice(4, 6)) * 60;
  return zone.startsWith('-') ? -seconds : seconds;
}
