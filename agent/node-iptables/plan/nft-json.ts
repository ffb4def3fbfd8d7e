/** Fields of nft's JSON, checked as they are read: what is not of the kind expected is a ParseError. */
import { ParseError } from './parse-error.ts';

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function optional(body: unknown, name: string): unknown {
  return isObject(body) && Object.hasOwn(body, name) ? body[name] : undefined;
}

export function field(body: unknown, name: string): unknown {
  const value = optional(body, name);
  if (value === undefined) throw new ParseError('nft -j', `no field ${name}`, body);
  return value;
}

export function string(body: unknown, name: string): string {
  const value = field(body, name);
  if (typeof value !== 'string') throw new ParseError('nft -j', `field ${name} is no string`, body);
  return value;
}

export function number(body: unknown, name: string): number {
  const value = field(body, name);
  if (typeof value !== 'number') throw new ParseError('nft -j', `field ${name} is no number`, body);
  return value;
}

export function list(value: unknown, within: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new ParseError('nft -j', 'no list', within);
  return value;
}

export function words(value: unknown, within: unknown): string[] {
  // Newer versions print one flag as a word.
  return (typeof value === 'string' ? [value] : list(value, within)).map(String);
}

/**
 * Kind and body of a JSON object with one key; the body besides as an object that is empty if it is none.
 * @throws ParseError
 */
export function single(
  value: unknown,
): readonly [kind: string, fields: Readonly<Record<string, unknown>>, body: unknown] {
  const entry = isObject(value) ? Object.entries(value)[0] : undefined;
  if (entry === undefined) throw new ParseError('nft -j', 'no object with one key', value);
  return [entry[0], isObject(entry[1]) ? entry[1] : {}, entry[1]];
}
