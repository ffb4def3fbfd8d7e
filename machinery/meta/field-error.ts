/**
 * Validation errors with a field path, in the message forms that kubectl users know.
 * Source: apimachinery `field.Error` (util/validation/field/errors.go, 1.36).
 */
import type { FieldPath } from './field-path.ts';
import { goQuote } from './go-quote.ts';
import { canonicalJson } from './json-value.ts';

/** The machine-readable kind of an error, as it stands in `status.details.causes[].reason`. */
export type FieldErrorType =
  | 'FieldValueNotFound'
  | 'FieldValueRequired'
  | 'FieldValueDuplicate'
  | 'FieldValueInvalid'
  | 'FieldValueNotSupported'
  | 'FieldValueForbidden'
  | 'FieldValueTooLong'
  | 'FieldValueTooMany';

const TITLES: Readonly<Record<FieldErrorType, string>> = {
  FieldValueNotFound: 'Not found',
  FieldValueRequired: 'Required value',
  FieldValueDuplicate: 'Duplicate value',
  FieldValueInvalid: 'Invalid value',
  FieldValueNotSupported: 'Unsupported value',
  FieldValueForbidden: 'Forbidden',
  FieldValueTooLong: 'Too long',
  FieldValueTooMany: 'Too many',
};

/** One thing wrong with one field. Immutable. */
export class FieldError {
  readonly type: FieldErrorType;
  /** The rendered path, or `<nil>` for none. */
  readonly field: string;
  readonly detail: string;
  readonly #value: string | undefined;

  constructor(type: FieldErrorType, path: FieldPath | string | undefined, value: string | undefined, detail: string) {
    this.type = type;
    this.field = path === undefined ? '<nil>' : path.toString();
    this.detail = detail;
    this.#value = value;
  }

  /** The message without the field: `Invalid value: "x": must be ...`. */
  get body(): string {
    let text = TITLES[this.type];
    if (this.#value !== undefined) text += `: ${this.#value}`;
    return this.detail === '' ? text : `${text}: ${this.detail}`;
  }

  toString(): string {
    return `${this.field}: ${this.body}`;
  }
}

type At = FieldPath | string | undefined;

/** The value is missing and must not be. */
export function requiredError(path: At, detail = ''): FieldError {
  return new FieldError('FieldValueRequired', path, undefined, detail);
}

/** The value is malformed or out of range. */
export function invalidError(path: At, value: unknown, detail: string): FieldError {
  return new FieldError('FieldValueInvalid', path, renderValue(value), detail);
}

/** The same for values that are told plainly, without quotes: numbers or percentages, quantities. */
export function invalidPlainError(path: At, value: string | number, detail: string): FieldError {
  return new FieldError('FieldValueInvalid', path, String(value), detail);
}

/** The value is none of `supported`, which are told in the order given. */
export function notSupportedError(path: At, value: unknown, supported: readonly string[]): FieldError {
  const detail = supported.length === 0 ? '' : `supported values: ${supported.map(goQuote).join(', ')}`;
  return new FieldError('FieldValueNotSupported', path, renderValue(value), detail);
}

/** The value may not be set here. */
export function forbiddenError(path: At, detail: string): FieldError {
  return new FieldError('FieldValueForbidden', path, undefined, detail);
}

/** The value stands twice in a list that allows it once. */
export function duplicateError(path: At, value: unknown, detail = ''): FieldError {
  return new FieldError('FieldValueDuplicate', path, renderValue(value), detail);
}

/** The value names something that does not exist. */
export function notFoundError(path: At, value: unknown, detail = ''): FieldError {
  return new FieldError('FieldValueNotFound', path, renderValue(value), detail);
}

/** The value has more than `maxBytes` bytes; negative means the limit is not known. */
export function tooLongError(path: At, maxBytes: number): FieldError {
  const detail = maxBytes < 0 ? 'value is too long' : `may not be more than ${maxBytes} ${plural(maxBytes, 'byte')}`;
  return new FieldError('FieldValueTooLong', path, undefined, detail);
}

/** The list or map has `actual` members and may have `max`. */
export function tooManyError(path: At, actual: number, max: number): FieldError {
  const detail = max < 0 ? 'has too many items' : `must have at most ${max} ${plural(max, 'item')}`;
  return new FieldError('FieldValueTooMany', path, actual < 0 ? undefined : String(actual), detail);
}

/** One line for several errors: a single one plainly, more as `[a, b]`, none as ''. Equal texts are told once. */
export function aggregateText(errors: readonly (FieldError | string)[]): string {
  const texts = [...new Set(errors.map(String))];
  return texts.length < 2 ? (texts[0] ?? '') : `[${texts.join(', ')}]`;
}

function plural(count: number, word: string): string {
  return count === 1 ? word : `${word}s`;
}

function renderValue(value: unknown): string {
  if (value === undefined || value === null) return 'null';
  return typeof value === 'string' ? goQuote(value) : typeof value === 'object' ? canonicalJson(value) : String(value);
}
