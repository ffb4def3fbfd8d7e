/**
 * The small checks that validations are made of. Each adds to `errors` and says what upstream says.
 * Source: Kubernetes `pkg/apis/core/validation` and apimachinery `api/validation`, 1.36.
 */
import {
  forbiddenError,
  invalidError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../meta/field-error.ts';
import type { FieldPath } from '../meta/field-path.ts';
import { jsonEquals } from '../meta/json-value.ts';

export const FIELD_IMMUTABLE = 'field is immutable';

/** Whether a string field counts as left out. */
export function isBlank(value: string | undefined): value is '' | undefined {
  return value === undefined || value === '';
}

/** Adds one error for each problem that `shape` finds. */
export function checkShape<T extends string | number>(
  errors: FieldError[],
  path: FieldPath,
  value: T,
  shape: (value: T) => readonly string[],
): void {
  for (const problem of shape(value)) errors.push(invalidError(path, value, problem));
}

/** A string that must be there and well-formed. */
export function checkRequired(
  errors: FieldError[],
  path: FieldPath,
  value: string | undefined,
  shape?: (value: string) => readonly string[],
): void {
  if (isBlank(value)) errors.push(requiredError(path));
  else if (shape !== undefined) checkShape(errors, path, value, shape);
}

/** A string that may be left out, and must be well-formed otherwise. */
export function checkOptional(
  errors: FieldError[],
  path: FieldPath,
  value: string | undefined,
  shape: (value: string) => readonly string[],
): void {
  if (!isBlank(value)) checkShape(errors, path, value, shape);
}

/** One of `supported`; `whenBlank` says what an absent value is. */
export function checkEnum(
  errors: FieldError[],
  path: FieldPath,
  value: string | undefined,
  supported: readonly string[],
  whenBlank: 'required' | 'allowed' | 'unsupported' = 'required',
): void {
  if (isBlank(value)) {
    if (whenBlank === 'required') errors.push(requiredError(path));
    else if (whenBlank === 'unsupported') errors.push(notSupportedError(path, '', supported));
  } else if (!supported.includes(value)) errors.push(notSupportedError(path, value, supported));
}

/** A number that may be zero or more. */
export function checkNonNegative(errors: FieldError[], path: FieldPath, value: number | undefined): void {
  if (value !== undefined && value < 0) errors.push(invalidError(path, value, 'must be greater than or equal to 0'));
}

/** A number of at least one. */
export function checkPositive(errors: FieldError[], path: FieldPath, value: number | undefined): void {
  if (value !== undefined && value <= 0) errors.push(invalidError(path, value, 'must be greater than 0'));
}

/** A value that may not change any more. */
export function checkImmutable(errors: FieldError[], path: FieldPath, value: unknown, older: unknown): void {
  if (!jsonEquals(value, older)) errors.push(invalidError(path, value, FIELD_IMMUTABLE));
}

/** Exactly one of several sources: adds an error when more than one is set, and says how many are. */
export function checkOneOf(
  errors: FieldError[],
  path: FieldPath,
  object: object,
  members: readonly string[],
  what: string,
): string | undefined {
  let first: string | undefined;
  const values = object as Record<string, unknown>;
  for (const member of members) {
    if (values[member] === undefined) continue;
    if (first === undefined) first = member;
    else errors.push(forbiddenError(path.child(member), `may not specify more than 1 ${what}`));
  }
  return first;
}
