/** Leases. Source: Kubernetes `pkg/apis/coordination/validation`, 1.36. */
import { type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import type { Lease } from '../../../../proto/api/coordination-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkNonNegative, checkPositive } from '../validation/checks.ts';

const SPEC = FieldPath.of('spec');

export const leaseStrategy: Strategy<Lease> = {
  info: kindInfo('coordination.k8s.io', 'Lease'),
  tracksGeneration: false,
  columns: [nameColumn, column('Holder', 'Who holds the lease.', lease => lease.spec?.holderIdentity ?? ''), ageColumn],
  allowCreateOnUpdate: true,
  allowUnconditionalUpdate: false,
  validate(lease) {
    const errors: FieldError[] = [];
    checkPositive(errors, SPEC.child('leaseDurationSeconds'), lease.spec?.leaseDurationSeconds);
    checkNonNegative(errors, SPEC.child('leaseTransitions'), lease.spec?.leaseTransitions);
    return errors;
  },
};
