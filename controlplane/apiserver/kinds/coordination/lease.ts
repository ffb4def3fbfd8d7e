/** Leases. Source: Kubernetes `pkg/apis/coordination/validation`, 1.36. */
import { forbiddenError, notSupportedError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { qualifiedName } from '../../../../machinery/meta/names.ts';
import type { Lease } from '../../../../proto/api/coordination-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkNonNegative, checkPositive, checkShape, isBlank } from '../../../../machinery/validation/checks.ts';

const SPEC = FieldPath.of('spec');
/** A thousand nodes renew a hundred leases a second, which need not be a hundred flushes: leases last seconds. */
const PATIENCE_MS = 100;
const STRATEGIES = ['OldestEmulationVersion'];

export const leaseStrategy: Strategy<Lease> = {
  info: kindInfo('coordination.k8s.io', 'Lease'),
  tracksGeneration: false,
  columns: [nameColumn, column('Holder', 'Who holds the lease.', lease => lease.spec?.holderIdentity ?? ''), ageColumn],
  allowCreateOnUpdate: true,
  allowUnconditionalUpdate: false,
  patienceMs: PATIENCE_MS,
  validate(lease) {
    const errors: FieldError[] = [];
    checkPositive(errors, SPEC.child('leaseDurationSeconds'), lease.spec?.leaseDurationSeconds);
    checkNonNegative(errors, SPEC.child('leaseTransitions'), lease.spec?.leaseTransitions);
    const { strategy, preferredHolder } = lease.spec ?? {};
    const at = SPEC.child('strategy');
    if (strategy !== undefined && strategy.includes('/'))
      checkShape(errors, at.child('strategy'), strategy, qualifiedName);
    else if (strategy !== undefined && !STRATEGIES.includes(strategy))
      errors.push(notSupportedError(at.child('strategy'), strategy, STRATEGIES));
    if (!isBlank(preferredHolder) && isBlank(strategy)) {
      const why = 'may only be specified if `strategy` is defined';
      errors.push(forbiddenError(SPEC.child('preferredHolder'), why));
    }
    return errors;
  },
};
