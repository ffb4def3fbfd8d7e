/** PodDisruptionBudgets. Source: Kubernetes `pkg/apis/policy`, 1.36. */
import { invalidError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { validateLabelSelector } from '../../../../machinery/meta/label-selector.ts';
import type { PodDisruptionBudget } from '../../../../proto/api/policy-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkEnum, checkNonNegative } from '../../../../machinery/validation/checks.ts';
import { checkConditions } from '../validation/conditions.ts';
import { checkAtMostHundred, checkIntOrPercent } from '../validation/int-or-percent.ts';
import { keepSpec } from '../validation/spec-kept.ts';

const SPEC = FieldPath.of('spec');

export const podDisruptionBudgetStrategy: Strategy<PodDisruptionBudget> = {
  info: kindInfo('policy', 'PodDisruptionBudget'),
  tracksGeneration: true,
  columns: [
    nameColumn,
    column('Min Available', 'Pods that must stay.', pdb => String(pdb.spec.minAvailable ?? 'N/A')),
    column('Max Unavailable', 'Pods that may be away.', pdb => String(pdb.spec.maxUnavailable ?? 'N/A')),
    column('Allowed Disruptions', 'Pods that may go now.', pdb => pdb.status?.disruptionsAllowed ?? 0, 'integer'),
    ageColumn,
  ],
  allowUnconditionalUpdate: false,
  prepareForCreate(pdb) {
    pdb.status = { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 };
  },
  prepareForUpdate(pdb, older) {
    if (older.status === undefined) delete pdb.status;
    else pdb.status = older.status;
  },
  validate({ spec }) {
    const errors: FieldError[] = [];
    if (spec.minAvailable !== undefined && spec.maxUnavailable !== undefined) {
      errors.push(invalidError(SPEC, spec, 'minAvailable and maxUnavailable cannot be both set'));
    }
    for (const field of ['minAvailable', 'maxUnavailable'] as const) {
      checkIntOrPercent(errors, SPEC.child(field), spec[field]);
      checkAtMostHundred(errors, SPEC.child(field), spec[field]);
    }
    errors.push(...validateLabelSelector(spec.selector, SPEC.child('selector')));
    const policies = ['AlwaysAllow', 'IfHealthyBudget'];
    if (spec.unhealthyPodEvictionPolicy !== undefined) {
      const at = SPEC.child('unhealthyPodEvictionPolicy');
      checkEnum(errors, at, spec.unhealthyPodEvictionPolicy, policies, 'unsupported');
    }
    return errors;
  },
  status: {
    prepareForUpdate: keepSpec,
    validateUpdate({ status }) {
      const errors: FieldError[] = [];
      const at = FieldPath.of('status');
      checkConditions(errors, at.child('conditions'), status?.conditions);
      for (const field of ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'] as const)
        checkNonNegative(errors, at.child(field), status?.[field]);
      return errors;
    },
  },
};
