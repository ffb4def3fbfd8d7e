/** LimitRanges. Source: Kubernetes `pkg/apis/core` (limit ranges), 1.36. */
import {
  duplicateError,
  forbiddenError,
  invalidError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { tryParseQuantity } from '../../../../machinery/meta/quantity.ts';
import type { LimitRange, LimitRangeItem } from '../../../../proto/api/core-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { createdAtColumn, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkRequired } from '../validation/checks.ts';
import { checkResourceAmount, checkResourceName } from '../validation/resource-list.ts';

const LIMITS = FieldPath.of('spec', 'limits');
const LISTS = ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const;
/** Each of the first must not be more than the second. */
const ORDER = [
  ['min', 'max'],
  ['min', 'defaultRequest'],
  ['defaultRequest', 'max'],
  ['defaultRequest', 'default'],
  ['min', 'default'],
  ['default', 'max'],
] as const;
const WORDS = { min: 'min', max: 'max', default: 'default', defaultRequest: 'default request' } as const;

export const limitRangeStrategy: Strategy<LimitRange> = {
  info: kindInfo('', 'LimitRange'),
  tracksGeneration: false,
  columns: [nameColumn, createdAtColumn],
  allowUnconditionalUpdate: true,
  default({ spec }) {
    for (const item of spec.limits ?? []) {
      if (item.type !== 'Container') continue;
      // What is not said follows from what is: a default limit from max, a default request from that or from min.
      if (item.max !== undefined) item.default = { ...item.max, ...item.default };
      if (item.default !== undefined)
        item.defaultRequest = { ...item.min, ...item.default, ...item.min, ...item.defaultRequest };
      else if (item.min !== undefined) item.defaultRequest = { ...item.min, ...item.defaultRequest };
    }
  },
  validate({ spec }) {
    const errors: FieldError[] = [];
    const types = new Set<string>();
    for (const [i, item] of (spec.limits ?? []).entries()) {
      const at = LIMITS.index(i);
      checkRequired(errors, at.child('type'), item.type);
      if (types.has(item.type)) errors.push(duplicateError(at.child('type'), item.type));
      types.add(item.type);
      checkItem(errors, at, item);
    }
    return errors;
  },
};

function checkItem(errors: FieldError[], path: FieldPath, item: LimitRangeItem): void {
  for (const list of LISTS) {
    for (const [name, text] of Object.entries(item[list] ?? {})) {
      checkResourceName(errors, path.child(list).key(name), name);
      checkResourceAmount(errors, path.child(list).key(name), name, text);
    }
  }
  if (item.type === 'Pod') {
    if (Object.keys(item.default ?? {}).length > 0)
      errors.push(forbiddenError(path.child('default'), "may not be specified when `type` is 'Pod'"));
    if (Object.keys(item.defaultRequest ?? {}).length > 0) {
      errors.push(forbiddenError(path.child('defaultRequest'), "may not be specified when `type` is 'Pod'"));
    }
  }
  for (const [low, high] of ORDER) {
    for (const [name, text] of Object.entries(item[low] ?? {})) {
      const bound = item[high]?.[name];
      const a = tryParseQuantity(String(text));
      const b = bound === undefined ? undefined : tryParseQuantity(String(bound));
      if (a === undefined || b === undefined || a.compare(b) <= 0) continue;
      const why = `${WORDS[low]} value ${a.toString()} is greater than ${WORDS[high]} value ${b.toString()}`;
      errors.push(invalidError(path.child(low).key(name), a.toString(), why));
    }
  }
}
