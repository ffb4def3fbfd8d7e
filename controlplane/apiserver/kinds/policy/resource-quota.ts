/** ResourceQuotas. Source: Kubernetes `pkg/apis/core` (resource quotas) and `pkg/printers`, 1.36. */
import { invalidError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { jsonEquals } from '../../../../machinery/meta/json-value.ts';
import type { ResourceQuota } from '../../../../proto/api/core-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkQuotaResourceName, checkResourceAmount } from '../../../../machinery/validation/resource-list.ts';
import { keepSpec } from '../validation/spec-kept.ts';
import { checkQuotaScopes } from './quota-scopes.ts';

const SPEC = FieldPath.of('spec');
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
    checkAmounts(errors, SPEC.child('hard'), spec.hard);
    checkQuotaScopes(errors, SPEC, spec);
    return errors;
  },
  validateUpdate({ spec }, { spec: older }) {
    if (jsonEquals([...(spec.scopes ?? [])].sort(), [...(older.scopes ?? [])].sort())) return [];
    return [invalidError(SPEC.child('scopes'), spec.scopes, 'field is immutable')];
  },
  status: {
    prepareForUpdate: keepSpec,
    validateUpdate({ status }) {
      const errors: FieldError[] = [];
      for (const field of ['hard', 'used'] as const)
        checkAmounts(errors, FieldPath.of('status', field), status?.[field]);
      return errors;
    },
  },
};

function checkAmounts(errors: FieldError[], path: FieldPath, amounts: Readonly<Record<string, string>> = {}): void {
  for (const [name, text] of Object.entries(amounts)) {
    checkQuotaResourceName(errors, path.key(name), name);
    checkResourceAmount(errors, path.key(name), name, text);
  }
}

function usageText({ status = {} }: ResourceQuota, limits: boolean): string {
  return Object.keys(status.hard ?? {})
    .filter(
      name => (name === 'limits.cpu' || name === 'limits.memory' || name === 'limits.ephemeral-storage') === limits,
    )
    .sort()
    .map(name => `${name}: ${status.used?.[name] ?? '0'}/${status.hard?.[name] ?? '0'}`)
    .join(', ');
}
