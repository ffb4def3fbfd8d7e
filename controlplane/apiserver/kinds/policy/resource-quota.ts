/** ResourceQuotas. Source: Kubernetes `pkg/apis/core` (resource quotas) and `pkg/printers`, 1.36. */
import { invalidError, notSupportedError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { jsonEquals } from '../../../../machinery/meta/json-value.ts';
import type { ResourceQuota } from '../../../../proto/api/core-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkQuotaResourceName, checkResourceAmount } from '../validation/resource-list.ts';
import { keepSpec } from '../validation/spec-kept.ts';

const SPEC = FieldPath.of('spec');
const SCOPES = [
  'BestEffort',
  'CrossNamespacePodAffinity',
  'NotBestEffort',
  'NotTerminating',
  'PriorityClass',
  'Terminating',
  'VolumeAttributesClass',
];

export const resourceQuotaStrategy: Strategy<ResourceQuota> = {
  info: kindInfo('', 'ResourceQuota'),
  tracksGeneration: false,
  columns: [
    nameColumn,
    column('Request', 'What is used of what may be requested.', quota => usageText(quota, false)),
    column('Limit', 'What is used of what limits may add up to.', quota => usageText(quota, true)),
    ageColumn,
  ],
  allowUnconditionalUpdate: true,
  prepareForCreate(quota) {
    quota.status = {};
  },
  prepareForUpdate(quota, older) {
    quota.status = older.status;
  },
  validate({ spec }) {
    const errors: FieldError[] = [];
    for (const [name, text] of Object.entries(spec.hard ?? {})) {
      const at = SPEC.child('hard').key(name);
      checkQuotaResourceName(errors, at, name);
      checkResourceAmount(errors, at, name, text);
    }
    for (const scope of spec.scopes ?? []) {
      if (!SCOPES.includes(scope)) errors.push(invalidError(SPEC.child('scopes'), spec.scopes, 'unsupported scope'));
    }
    for (const [i, requirement] of (spec.scopeSelector?.matchExpressions ?? []).entries()) {
      if (SCOPES.includes(requirement.scopeName)) continue;
      const at = SPEC.child('scopeSelector', 'matchExpressions').index(i).child('scopeName');
      errors.push(notSupportedError(at, requirement.scopeName, SCOPES));
    }
    return errors;
  },
  validateUpdate({ spec }, { spec: older }) {
    if (jsonEquals([...(spec.scopes ?? [])].sort(), [...(older.scopes ?? [])].sort())) return [];
    return [invalidError(SPEC.child('scopes'), spec.scopes, 'field is immutable')];
  },
  status: { prepareForUpdate: keepSpec },
};

function usageText({ status = {} }: ResourceQuota, limits: boolean): string {
  return Object.keys(status.hard ?? {})
    .filter(
      name => (name === 'limits.cpu' || name === 'limits.memory' || name === 'limits.ephemeral-storage') === limits,
    )
    .sort()
    .map(name => `${name}: ${status.used?.[name] ?? '0'}/${status.hard?.[name] ?? '0'}`)
    .join(', ');
}
