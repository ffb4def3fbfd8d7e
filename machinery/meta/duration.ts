/**
 * Go's durations: `1h30m`, `1.5s`, `300ms`. The unit here is the nanosecond, exact up to 2^53 (104 days); longer ones are
 * right to the nearest double. Source: Go `time.ParseDuration` and `Duration.String`.
 */
const UNITS: ReadonlyMap<string, number> = new Map([
  ['ns', 1],
  ['us', 1e3],
  ['µs', 1e3],
  ['μs', 1e3],
  ['ms', 1e6],
  ['s', 1e9],
  ['m', 60e9],
  ['h', 3600e9],
]);

/** Nanoseconds, or undefined when `text` is no duration. */
export function parseDuration(text: string): number | undefined {
  const sign = text.startsWith('-') ? -1 : 1;
  const body = /^[+-]/.test(text) ? text.slice(1) : text;
  if (body === '0') return 0;
  if (!/^(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(body)) return undefined;
  let total = 0;
  for (const [, whole = '', fraction = '', unit = ''] of body.matchAll(/(\d*)\.?(\d*)([^\d.]+)/g)) {
    total += Number(whole) * (UNITS.get(unit) ?? 0) + fractionOf(fraction, UNITS.get(unit) ?? 0);
  }
  return total >= 2 ** 63 ? undefined : sign * total;
}

/** The part of `unit` that the digits behind the point say, cut to whole nanoseconds; exact. */
function fractionOf(digits: string, unit: number): number {
  if (digits === '') return 0;
  const shown = digits.slice(0, 18);
  return Number((BigInt(shown) * BigInt(unit)) / 10n ** BigInt(shown.length));
}

/** Milliseconds, or undefined when `text` is no duration. */
export function parseDurationMs(text: string): number | undefined {
  const nanos = parseDuration(text);
  return nanos === undefined ? undefined : nanos / 1e6;
}

/** Go's form: `1h30m0s`, `1.5s`, `300ms`, `0s`. */
export function formatDuration(nanos: number): string {
  if (nanos === 0) return '0s';
  if (nanos < 0) return `-${formatDuration(-nanos)}`;
  if (nanos < 1e3) return `${nanos}ns`;
  if (nanos < 1e6) return `${nanos / 1e3}µs`;
  if (nanos < 1e9) return `${nanos / 1e6}ms`;
  const whole = Math.floor(nanos / 1e9);
  const fraction = String(Math.round(nanos % 1e9))
    .padStart(9, '0')
    .replace(/0+$/, '');
  const seconds = `${whole % 60}${fraction === '' ? '' : `.${fraction}`}s`;
  const minutes = Math.floor(whole / 60);
  if (minutes === 0) return seconds;
  return minutes < 60 ? `${minutes}m${seconds}` : `${Math.floor(minutes / 60)}h${minutes % 60}m${seconds}`;
}
