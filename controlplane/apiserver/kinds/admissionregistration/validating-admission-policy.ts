/** ValidatingAdmissionPolicies and their bindings. Source: Kubernetes `pkg/apis/admissionregistration` (validation, v1 defaults), 1.36. */
import {
  duplicateError,
  invalidError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { qualifiedName } from '../../../../machinery/meta/names.ts';
import type {
  AuditAnnotation,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  Validation,
} from '../../../../proto/api/admissionregistration-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { kindInfo } from '../kind-info.ts';
import { checkEnum, checkShape, isBlank } from '../../../../machinery/validation/checks.ts';
import { checkConditions } from '../validation/conditions.ts';
import { keepSpec } from '../validation/spec-kept.ts';
import { checkExpression } from './expressions.ts';
import { defaultMatchResources } from './match-rules.ts';
import { bindingColumns, checkBinding, checkPolicy, policyColumns, SPEC } from './policy-parts.ts';

const GROUP = 'admissionregistration.k8s.io';
const MAX_ANNOTATIONS = 20;
const MAX_VALUE_EXPRESSION = 5 * 1024;
const REASONS = ['Forbidden', 'Invalid', 'RequestEntityTooLarge'];
const ACTIONS = ['Audit', 'Deny', 'Warn'];
const WARNINGS = FieldPath.of('status', 'typeChecking', 'expressionWarnings');

export const validatingAdmissionPolicyStrategy: Strategy<ValidatingAdmissionPolicy> = {
  info: kindInfo(GROUP, 'ValidatingAdmissionPolicy'),
  tracksGeneration: true,
  columns: policyColumns<ValidatingAdmissionPolicy>('Validations', policy => policy.spec.validations?.length ?? 0),
  allowUnconditionalUpdate: false,
  default({ spec }) {
    spec.failurePolicy ??= 'Fail';
    defaultMatchResources(spec.matchConstraints);
  },
  prepareForCreate(policy) {
    policy.status = {};
  },
  prepareForUpdate(policy, older) {
    if (older.status === undefined) delete policy.status;
    else policy.status = older.status;
  },
  validate({ metadata, spec }) {
    const errors: FieldError[] = [];
    checkPolicy(errors, spec);
    const { validations = [], auditAnnotations = [] } = spec;
    if (validations.length === 0 && auditAnnotations.length === 0) {
      const why = 'validations or auditAnnotations must contain at least one item';
      for (const field of ['validations', 'auditAnnotations']) errors.push(requiredError(SPEC.child(field), why));
    }
    for (const [i, validation] of validations.entries())
      checkValidation(errors, SPEC.child('validations').index(i), validation);
    checkAuditAnnotations(errors, SPEC.child('auditAnnotations'), auditAnnotations, metadata.name ?? '');
    return errors;
  },
  status: {
    prepareForUpdate: keepSpec,
    validateUpdate({ status }) {
      const errors: FieldError[] = [];
      for (const [i, { warning, fieldRef }] of (status?.typeChecking?.expressionWarnings ?? []).entries()) {
        if (isBlank(warning)) errors.push(requiredError(WARNINGS.index(i).child('warning')));
        if (isBlank(fieldRef?.trim())) errors.push(requiredError(WARNINGS.index(i).child('fieldRef')));
      }
      checkConditions(errors, FieldPath.of('status', 'conditions'), status?.conditions);
      return errors;
    },
  },
};

export const validatingAdmissionPolicyBindingStrategy: Strategy<ValidatingAdmissionPolicyBinding> = {
  info: kindInfo(GROUP, 'ValidatingAdmissionPolicyBinding'),
  tracksGeneration: true,
  columns: bindingColumns,
  allowUnconditionalUpdate: false,
  default({ spec }) {
    defaultMatchResources(spec.matchResources);
  },
  validate(binding) {
    const errors: FieldError[] = [];
    checkBinding(errors, binding);
    checkActions(errors, SPEC.child('validationActions'), binding.spec.validationActions ?? []);
    return errors;
  },
};

function checkValidation(errors: FieldError[], path: FieldPath, validation: Validation): void {
  const { expression, message, messageExpression, reason } = validation;
  checkExpression(errors, path.child('expression'), expression);
  if (!isBlank(messageExpression) && messageExpression.trim() === '')
    errors.push(invalidError(path.child('messageExpression'), messageExpression, 'must be non-empty if specified'));
  const at = path.child('message');
  if (!isBlank(message) && message.trim() === '')
    errors.push(invalidError(at, message, 'message must be non-empty if specified'));
  else if (/[\n\r]/.test((message ?? '').trim()))
    errors.push(invalidError(at, message, 'message must not contain line breaks'));
  checkEnum(errors, path.child('reason'), reason, REASONS, 'allowed');
}

function checkAuditAnnotations(
  errors: FieldError[],
  path: FieldPath,
  annotations: readonly AuditAnnotation[],
  policy: string,
): void {
  if (annotations.length > MAX_ANNOTATIONS)
    errors.push(invalidError(path, annotations, `must not have more than ${MAX_ANNOTATIONS} auditAnnotations`));
  const keys = new Set<string>();
  for (const [i, { key = '', valueExpression }] of annotations.entries()) {
    const at = path.index(i);
    checkShape(errors, at.child('key'), `${policy}/${key}`, qualifiedName);
    const expression = at.child('valueExpression');
    checkExpression(errors, expression, valueExpression, 'valueExpression is not specified');
    if (Buffer.byteLength((valueExpression ?? '').trim()) > MAX_VALUE_EXPRESSION)
      errors.push(requiredError(expression, `must not exceed ${MAX_VALUE_EXPRESSION} bytes in length`));
    if (keys.has(key)) errors.push(duplicateError(at.child('key'), key));
    keys.add(key);
  }
}

function checkActions(errors: FieldError[], path: FieldPath, actions: readonly string[]): void {
  for (const [i, action] of actions.entries()) {
    if (!ACTIONS.includes(action)) errors.push(notSupportedError(path.index(i), action, ACTIONS));
    if (actions.indexOf(action) < i) errors.push(duplicateError(path.index(i), action));
  }
  if (actions.includes('Deny') && actions.includes('Warn')) {
    const why =
      'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)';
    errors.push(invalidError(path, actions, why));
  }
  if (actions.length === 0) errors.push(requiredError(path, 'at least one validation action is required'));
}
