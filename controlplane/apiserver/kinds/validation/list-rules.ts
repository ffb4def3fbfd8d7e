/**
 * Rules for lists and maps as wholes: how many entries they may have, and that none stands there twice.
 * Source: Kubernetes `pkg/apis/resource/validation` (validateSlice, validateSet, validateMap), 1.36.
 */
import { duplicateError, tooManyError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';

export interface ListRules<T> {
  /** No limit without it. A list that is too long is not looked into. */
  readonly max?: number | undefined;
  /** What tells the entries apart; without it they may repeat. */
  readonly key?: (item: T) => unknown;
  readonly check?: (errors: FieldError[], path: FieldPath, item: T) => void;
}

export function checkList<T>(
  errors: FieldError[],
  path: FieldPath,
  items: readonly T[] | undefined,
  { max, key, check }: ListRules<T>,
): void {
  if (items === undefined) return;
  if (max !== undefined && items.length > max) {
    errors.push(tooManyError(path, items.length, max));
    return;
  }
  if (check !== undefined) for (const [i, item] of items.entries()) check(errors, path.index(i), item);
  if (key === undefined) return;
  const seen = new Set<unknown>();
  for (const [i, item] of items.entries()) {
    const value = key(item);
    if (seen.has(value)) errors.push(duplicateError(path.index(i), value));
    seen.add(value);
  }
}

/** Keys are told of at the map itself, values at their key. */
export function checkMap<T>(
  errors: FieldError[],
  path: FieldPath,
  map: Readonly<Record<string, T>> | undefined,
  rules: {
    readonly max?: number | undefined;
    readonly checkKey: (errors: FieldError[], path: FieldPath, key: string) => void;
    readonly checkValue?: (errors: FieldError[], path: FieldPath, value: T) => void;
  },
): void {
  const entries = Object.entries(map ?? {});
  if (rules.max !== undefined && entries.length > rules.max) {
    errors.push(tooManyError(path, entries.length, rules.max));
    return;
  }
  for (const [key, value] of entries) {
    rules.checkKey(errors, path, key);
    rules.checkValue?.(errors, path.key(key), value);
  }
}
