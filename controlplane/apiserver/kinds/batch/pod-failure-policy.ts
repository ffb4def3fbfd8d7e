/** Validation of a Job's pod failure policy. Source: Kubernetes `pkg/apis/batch/validation`, 1.36. */
import {
  duplicateError,
  FieldError,
  invalidError,
  requiredError,
  tooManyError,
} from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { qualifiedName } from '../../../../machinery/meta/names.ts';
import type {
  JobSpec,
  PodFailurePolicyOnExitCodesRequirement,
  PodFailurePolicyOnPodConditionsPattern,
  PodFailurePolicyRule,
} from '../../../../proto/api/batch-v1.ts';
import { checkEnum, checkShape, isBlank } from '../../../../machinery/validation/checks.ts';

const MAX_RULES = 20;
const MAX_VALUES = 255;
const MAX_PATTERNS = 20;
const ACTIONS = ['Count', 'FailIndex', 'FailJob', 'Ignore'];
const OPERATORS = ['In', 'NotIn'];
const STATUSES = ['False', 'True', 'Unknown'];

export function checkPodFailurePolicy(errors: FieldError[], path: FieldPath, spec: JobSpec): void {
  const rules = spec.podFailurePolicy?.rules ?? [];
  const at = path.child('rules');
  if (rules.length > MAX_RULES) errors.push(tooManyError(at, rules.length, MAX_RULES));
  for (const [i, rule] of rules.entries()) checkRule(errors, at.index(i), rule, spec);
}

/** An error that shows no value, only what is wrong. */
function wrong(path: FieldPath, detail: string): FieldError {
  return new FieldError('FieldValueInvalid', path, undefined, detail);
}

/** What Go writes for `%q` of a list. */
function listed(values: readonly string[]): string {
  return `valid values: [${values.map(value => JSON.stringify(value)).join(' ')}]`;
}

function checkRule(errors: FieldError[], path: FieldPath, rule: PodFailurePolicyRule, spec: JobSpec): void {
  const { action, onExitCodes, onPodConditions = [] } = rule;
  const at = path.child('action');
  if (isBlank(action)) errors.push(requiredError(at, listed(ACTIONS)));
  else if (action === 'FailIndex' && spec.backoffLimitPerIndex === undefined)
    errors.push(invalidError(at, action, 'requires the backoffLimitPerIndex to be set'));
  else checkEnum(errors, at, action, ACTIONS);
  if (onExitCodes !== undefined) checkExitCodes(errors, path.child('onExitCodes'), onExitCodes, spec);
  if (onPodConditions.length > 0) checkPatterns(errors, path.child('onPodConditions'), onPodConditions);
  if (onExitCodes !== undefined && onPodConditions.length > 0)
    errors.push(wrong(path, 'specifying both OnExitCodes and OnPodConditions is not supported'));
  if (onExitCodes === undefined && onPodConditions.length === 0)
    errors.push(wrong(path, 'specifying one of OnExitCodes and OnPodConditions is required'));
}

function checkExitCodes(
  errors: FieldError[],
  path: FieldPath,
  codes: PodFailurePolicyOnExitCodesRequirement,
  { template }: JobSpec,
): void {
  const { operator, containerName, values = [] } = codes;
  if (isBlank(operator)) errors.push(requiredError(path.child('operator'), listed(OPERATORS)));
  else checkEnum(errors, path.child('operator'), operator, OPERATORS);
  const { containers = [], initContainers = [] } = template?.spec ?? {};
  if (containerName !== undefined && ![...containers, ...initContainers].some(c => c.name === containerName)) {
    const why = 'must be one of the container or initContainer names in the pod template';
    errors.push(invalidError(path.child('containerName'), containerName, why));
  }
  const at = path.child('values');
  if (values.length === 0) errors.push(invalidError(at, values, 'at least one value is required'));
  else if (values.length > MAX_VALUES) errors.push(tooManyError(at, values.length, MAX_VALUES));
  for (const [i, code] of values.entries()) {
    if (operator === 'In' && code === 0)
      errors.push(invalidError(at.index(i), code, 'must not be 0 for the In operator'));
    if (values.indexOf(code) < i) errors.push(duplicateError(at.index(i), code));
  }
  if (values.some((code, i) => i > 0 && (values[i - 1] ?? code) > code))
    errors.push(invalidError(at, values, 'must be ordered'));
}

function checkPatterns(
  errors: FieldError[],
  path: FieldPath,
  patterns: readonly PodFailurePolicyOnPodConditionsPattern[],
): void {
  if (patterns.length > MAX_PATTERNS) errors.push(tooManyError(path, patterns.length, MAX_PATTERNS));
  for (const [i, { type, status }] of patterns.entries()) {
    const at = path.index(i);
    checkShape(errors, at.child('type'), type ?? '', qualifiedName);
    if (isBlank(status)) errors.push(requiredError(at.child('status'), listed(STATUSES)));
    else checkEnum(errors, at.child('status'), status, STATUSES);
  }
}
