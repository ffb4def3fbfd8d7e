/** Validation of a Job's success policy. Source: Kubernetes `pkg/apis/batch/validation`, 1.36. */
import {
  invalidError,
  requiredError,
  tooLongError,
  tooManyError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import type { SuccessPolicy, SuccessPolicyRule } from '../../../../proto/api/batch-v1.ts';
import { checkNonNegative } from '../../../../machinery/validation/checks.ts';
import { countIndexes } from './job-indexes.ts';

const MAX_RULES = 20;
const MAX_INDEXES_BYTES = 64 * 1024;

export function checkSuccessPolicy(
  errors: FieldError[],
  path: FieldPath,
  { rules = [] }: SuccessPolicy,
  completions: number,
): void {
  const at = path.child('rules');
  if (rules.length === 0)
    errors.push(requiredError(at, 'at least one rules must be specified when the successPolicy is specified'));
  if (rules.length > MAX_RULES) errors.push(tooManyError(at, rules.length, MAX_RULES));
  for (const [i, rule] of rules.entries()) checkRule(errors, at.index(i), rule, completions);
}

function checkRule(errors: FieldError[], path: FieldPath, rule: SuccessPolicyRule, completions: number): void {
  const { succeededCount: count, succeededIndexes: indexes } = rule;
  if (count === undefined && indexes === undefined)
    errors.push(requiredError(path, 'at least one of succeededCount or succeededIndexes must be specified'));
  let named = 0;
  if (indexes !== undefined) {
    const at = path.child('succeededIndexes');
    if (indexes.length > MAX_INDEXES_BYTES) errors.push(tooLongError(at, MAX_INDEXES_BYTES));
    const counted = countIndexes(indexes, completions);
    if (typeof counted === 'number') named = counted;
    else errors.push(invalidError(at, indexes, `error parsing succeededIndexes: ${counted}`));
  }
  if (count === undefined) return;
  const at = path.child('succeededCount');
  checkNonNegative(errors, at, count);
  const atMost = (limit: number, what: string): void => {
    if (count > limit) errors.push(invalidError(at, count, `must be less than or equal to ${limit} (${what})`));
  };
  atMost(completions, 'the number of specified completions');
  if (indexes !== undefined) atMost(named, 'the number of indexes in the specified succeededIndexes field');
}
