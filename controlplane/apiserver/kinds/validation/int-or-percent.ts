/**
 * Values that are a number or a percentage, such as maxUnavailable.
 * Source: Kubernetes `pkg/apis/apps/validation`, 1.36.
 */
import { invalidPlainError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { percent } from '../../../../machinery/meta/value-shapes.ts';
import { checkNonNegative } from '../../../../machinery/validation/checks.ts';

/** `3`, `25%`; no negative numbers. */
export function checkIntOrPercent(errors: FieldError[], path: FieldPath, value: string | number | undefined): void {
  if (typeof value === 'number') checkNonNegative(errors, path, value);
  else if (value !== undefined) for (const why of percent(value)) errors.push(invalidPlainError(path, value, why));
}

/** No more than `100%`. */
export function checkAtMostHundred(errors: FieldError[], path: FieldPath, value: string | number | undefined): void {
  if (typeof value !== 'string' || percent(value).length > 0 || Number.parseInt(value, 10) <= 100) return;
  errors.push(invalidPlainError(path, value, 'must not be greater than 100%'));
}

/** Whether the value is 0 or `0%`. */
export function isZeroIntOrPercent(value: string | number | undefined): boolean {
  return value === undefined || (typeof value === 'number' ? value === 0 : Number.parseInt(value, 10) === 0);
}
