/**
 * CEL expressions of admission policies and webhooks: that they are there and have good names. Their syntax is not checked: nothing
 * evaluates them yet. Source: Kubernetes `pkg/apis/admissionregistration/validation`, 1.36.
 */
import {
  duplicateError,
  invalidError,
  requiredError,
  tooManyError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { qualifiedName } from '../../../../machinery/meta/names.ts';
import type { MatchCondition, Variable } from '../../../../proto/api/admissionregistration-v1.ts';
import { checkShape, isBlank } from '../../../../machinery/validation/checks.ts';

const MAX_CONDITIONS = 64;
const IDENTIFIER = /^[_a-zA-Z][_a-zA-Z0-9]*$/;
const RESERVED = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
);

/** An expression that must be there. */
export function checkExpression(
  errors: FieldError[],
  path: FieldPath,
  expression: string | undefined,
  whenMissing = 'expression is not specified',
): void {
  if ((expression ?? '').trim() === '') errors.push(requiredError(path, whenMissing));
}

export function checkMatchConditions(
  errors: FieldError[],
  path: FieldPath,
  conditions: readonly MatchCondition[] = [],
): void {
  if (conditions.length > MAX_CONDITIONS) errors.push(tooManyError(path, conditions.length, MAX_CONDITIONS));
  const names = new Set<string>();
  for (const [i, { name, expression }] of conditions.entries()) {
    const at = path.index(i);
    checkExpression(errors, at.child('expression'), expression, '');
    if (isBlank(name)) {
      errors.push(requiredError(at.child('name')));
      continue;
    }
    checkShape(errors, at.child('name'), name, qualifiedName);
    if (names.has(name)) errors.push(duplicateError(at.child('name'), name));
    names.add(name);
  }
}

export function checkVariables(errors: FieldError[], path: FieldPath, variables: readonly Variable[] = []): void {
  for (const [i, { name = '', expression }] of variables.entries()) {
    const at = path.index(i);
    if (name.trim() === '') errors.push(requiredError(at.child('name'), 'name is not specified'));
    else if (!IDENTIFIER.test(name) || RESERVED.has(name))
      errors.push(invalidError(at.child('name'), name, 'name is not a valid CEL identifier'));
    checkExpression(errors, at.child('expression'), expression);
  }
}
