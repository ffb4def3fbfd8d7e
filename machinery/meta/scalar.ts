/**
 * Single values: whether JSON fits a scalar type, and the form in which the API writes it back.
 */
import { formatDuration, parseDuration } from './duration.ts';
import { goQuote } from './go-quote.ts';
import { canonicalQuantity, QuantityError } from './quantity.ts';
import type { ScalarKind } from './schema.ts';
import { canonicalMicroTime, canonicalTime } from './time.ts';

/** The canonical value, or what is wrong: 'type' for a value of another JSON type, else a message. */
export interface ScalarResult {
  readonly value: unknown;
  readonly problem: string | undefined;
}

const MISMATCH: ScalarResult = Object.freeze({ value: undefined, problem: 'type' });
const ok = (value: unknown): ScalarResult => ({ value, problem: undefined });
const bad = (problem: string): ScalarResult => ({ value: undefined, problem });

/** Reads `value` as a scalar of that kind. */
export function canonicalScalar(scalar: ScalarKind, value: unknown): ScalarResult {
  switch (scalar) {
    case 'string':
      return typeof value === 'string' ? ok(value) : MISMATCH;
    case 'bool':
      return typeof value === 'boolean' ? ok(value) : MISMATCH;
    case 'int32':
      return isInt(value, 2 ** 31) ? ok(value) : MISMATCH;
    case 'int64':
      return isInt(value, 2 ** 63) ? ok(value) : MISMATCH;
    case 'float':
      return typeof value === 'number' ? ok(value) : MISMATCH;
    case 'intOrString':
      return typeof value === 'string' || isInt(value, 2 ** 31) ? ok(value) : MISMATCH;
    case 'quantity':
      return quantity(value);
    case 'time':
      return time(value, canonicalTime, '2006-01-02T15:04:05Z07:00');
    case 'microTime':
      return time(value, canonicalMicroTime, '2006-01-02T15:04:05.000000Z07:00');
    case 'duration':
      return duration(value);
    case 'bytes':
      return typeof value === 'string' ? base64(value) : MISMATCH;
  }
}

function isInt(value: unknown, limit: number): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= -limit && value < limit;
}

function quantity(value: unknown): ScalarResult {
  if (typeof value !== 'string' && typeof value !== 'number') return bad(new QuantityError('?').message);
  const text = String(value);
  const canonical = canonicalQuantity(text);
  return canonical === undefined ? bad(new QuantityError(text).message) : ok(canonical);
}

function time(value: unknown, canonicalOf: (text: string) => string | undefined, layout: string): ScalarResult {
  if (typeof value !== 'string') return MISMATCH;
  const canonical = canonicalOf(value);
  if (canonical !== undefined) return ok(canonical);
  return bad(`parsing time ${goQuote(value)} as "${layout}": cannot parse ${goQuote(value)} as "2006"`);
}

function duration(value: unknown): ScalarResult {
  if (typeof value !== 'string') return MISMATCH;
  const nanos = parseDuration(value);
  return nanos === undefined ? bad(`time: invalid duration ${goQuote(value)}`) : ok(formatDuration(nanos));
}

function base64(text: string): ScalarResult {
  const compact = /[\r\n]/.test(text) ? text.replaceAll(/[\r\n]/g, '') : text;
  const wrong = /[^A-Za-z0-9+/]/.exec(compact.replace(/={1,2}$/, ''));
  if (wrong !== null) return bad(`illegal base64 data at input byte ${wrong.index}`);
  if (compact.length % 4 !== 0)
    return bad(`illegal base64 data at input byte ${compact.length - (compact.length % 4)}`);
  return ok(compact);
}
