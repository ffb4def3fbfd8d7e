/** MutatingAdmissionPolicies and their bindings. Source: Kubernetes `pkg/apis/admissionregistration` (validation, v1 defaults), 1.36. */
import {
  invalidError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import type {
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  Mutation,
} from '../../../../proto/api/admissionregistration-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { kindInfo } from '../kind-info.ts';
import { checkEnum, isBlank } from '../../../../machinery/validation/checks.ts';
import { checkExpression } from './expressions.ts';
import { defaultMatchResources } from './match-rules.ts';
import { bindingColumns, checkBinding, checkPolicy, policyColumns, SPEC } from './policy-parts.ts';

const GROUP = 'admissionregistration.k8s.io';
const PATCH_TYPES = { ApplyConfiguration: 'applyConfiguration', JSONPatch: 'jsonPatch' } as const;

export const mutatingAdmissionPolicyStrategy: Strategy<MutatingAdmissionPolicy> = {
  info: kindInfo(GROUP, 'MutatingAdmissionPolicy'),
  tracksGeneration: true,
  columns: policyColumns<MutatingAdmissionPolicy>('Mutations', policy => policy.spec.mutations?.length ?? 0),
  allowUnconditionalUpdate: false,
  default({ spec }) {
    spec.failurePolicy ??= 'Fail';
    defaultMatchResources(spec.matchConstraints);
  },
  validate({ spec }) {
    const errors: FieldError[] = [];
    checkPolicy(errors, spec);
    const mutations = spec.mutations ?? [];
    if (mutations.length === 0)
      errors.push(requiredError(SPEC.child('mutations'), 'mutations must contain at least one item'));
    for (const [i, mutation] of mutations.entries()) checkMutation(errors, SPEC.child('mutations').index(i), mutation);
    checkEnum(errors, SPEC.child('reinvocationPolicy'), spec.reinvocationPolicy, ['IfNeeded', 'Never']);
    return errors;
  },
};

export const mutatingAdmissionPolicyBindingStrategy: Strategy<MutatingAdmissionPolicyBinding> = {
  info: kindInfo(GROUP, 'MutatingAdmissionPolicyBinding'),
  tracksGeneration: true,
  columns: bindingColumns,
  allowUnconditionalUpdate: false,
  default({ spec }) {
    defaultMatchResources(spec.matchResources);
  },
  validate(binding) {
    const errors: FieldError[] = [];
    checkBinding(errors, binding);
    return errors;
  },
};

/** Exactly the patch that `patchType` names. */
function checkMutation(errors: FieldError[], path: FieldPath, mutation: Mutation): void {
  const { patchType } = mutation;
  if (isBlank(patchType)) errors.push(requiredError(path.child('patchType')));
  else if (!Object.hasOwn(PATCH_TYPES, patchType))
    errors.push(notSupportedError(path.child('patchType'), patchType, Object.keys(PATCH_TYPES)));
  for (const [type, field] of Object.entries(PATCH_TYPES)) {
    const patch = mutation[field];
    if (type === patchType) {
      if (patch === undefined)
        errors.push(requiredError(path.child(field), `must be specified when patchType is ${type}`));
      else checkExpression(errors, path.child(field, 'expression'), patch.expression);
    } else if (patch !== undefined && Object.hasOwn(PATCH_TYPES, patchType ?? ''))
      errors.push(invalidError(path.child(field), patch, `must not be specified when patchType is ${patchType}`));
  }
}
