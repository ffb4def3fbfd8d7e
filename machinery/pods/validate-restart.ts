/**
 * Validation of restart policies and rules of single containers. Source: Kubernetes `pkg/apis/core/validation`
 * (validateContainerRestartPolicy), 1.36; KEP-5307, KEP-5532.
 */
import {
  duplicateError,
  notSupportedError,
  requiredError,
  tooManyError,
  type FieldError,
} from '../meta/field-error.ts';
import type { FieldPath } from '../meta/field-path.ts';
import type { Container } from '../../proto/api/core-v1.ts';

const POLICIES = ['Always', 'Never', 'OnFailure'];
const ACTIONS = ['Restart', 'RestartAllContainers'];
const OPERATORS = ['In', 'NotIn'];
const MAX_RULES = 20;
const MAX_CODES = 255;

export function checkRestart(errors: FieldError[], path: FieldPath, container: Container): void {
  const policy = container.restartPolicy;
  const rules = container.restartPolicyRules ?? [];
  if (policy !== undefined && !POLICIES.includes(policy))
    errors.push(notSupportedError(path.child('restartPolicy'), policy, POLICIES));
  if (rules.length > 0 && policy === undefined) {
    const why = 'must specify restartPolicy when restart rules are used';
    errors.push(requiredError(path.child('restartPolicy'), why));
  }
  const list = path.child('restartPolicyRules');
  if (rules.length > MAX_RULES) errors.push(tooManyError(list, rules.length, MAX_RULES));
  for (const [i, rule] of rules.entries()) {
    const at = list.index(i);
    if (!ACTIONS.includes(rule.action ?? ''))
      errors.push(notSupportedError(at.child('action'), rule.action ?? '', ACTIONS));
    if (rule.exitCodes === undefined) {
      errors.push(requiredError(at.child('exitCodes'), 'must be specified'));
      continue;
    }
    const { operator = '', values = [] } = rule.exitCodes;
    const codes = at.child('exitCodes');
    if (!OPERATORS.includes(operator)) errors.push(notSupportedError(codes.child('operator'), operator, OPERATORS));
    if (values.length > MAX_CODES) errors.push(tooManyError(codes.child('values'), values.length, MAX_CODES));
    for (const [j, value] of values.entries())
      if (values.indexOf(value) < j) errors.push(duplicateError(codes.child('values').index(j), value));
  }
}
