/**
 * Paths and file modes inside volumes. Source: Kubernetes `pkg/apis/core/validation`, 1.36.
 */
import { invalidError, type FieldError } from '../meta/field-error.ts';
import type { FieldPath } from '../meta/field-path.ts';

/** A path that stays below its start. */
export function checkDescendingPath(errors: FieldError[], path: FieldPath, value: string): void {
  if (value.startsWith('/')) errors.push(invalidError(path, value, 'must be a relative path'));
  checkNoBacksteps(errors, path, value);
}

/** As above, and not the name of something that the kubelet itself writes there. */
export function checkNonReservedPath(errors: FieldError[], path: FieldPath, value: string): void {
  checkDescendingPath(errors, path, value);
  if (value.startsWith('..') && !value.startsWith('../'))
    errors.push(invalidError(path, value, "must not start with '..'"));
}

export function checkNoBacksteps(errors: FieldError[], path: FieldPath, value: string): void {
  if (value.split('/').includes('..')) errors.push(invalidError(path, value, "must not contain '..'"));
}

/** Permission bits. */
export function checkMode(errors: FieldError[], path: FieldPath, mode: number | undefined): void {
  if (mode === undefined || (mode >= 0 && mode <= 0o777)) return;
  errors.push(invalidError(path, mode, 'must be a number between 0 and 0777 (octal), both inclusive'));
}
