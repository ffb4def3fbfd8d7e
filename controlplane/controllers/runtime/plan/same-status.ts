/**
 * Whether two statuses say the same: the server leaves out zeros and empty lists. Pure.
 */
import { jsonEquals } from '../../../../machinery/meta/json-value.ts';

export function sameStatus(a: object | undefined, b: object): boolean {
  return a !== undefined && jsonEquals(withoutEmpty(a), withoutEmpty(b));
}

function withoutEmpty(value: object): object {
  const isEmpty = (v: unknown): boolean => v === 0 || v === undefined || (Array.isArray(v) && v.length === 0);
  return Object.fromEntries(Object.entries(value).filter(([, v]) => !isEmpty(v)));
}
