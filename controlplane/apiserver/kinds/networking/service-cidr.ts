/** ServiceCIDRs: the ranges that Services take addresses from. Source: Kubernetes `pkg/apis/networking` and `pkg/printers`, 1.36. */
import { invalidError, requiredError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { ipFamilyOf } from '../../../../machinery/meta/value-shapes.ts';
import type { ServiceCIDR } from '../../../../proto/api/networking-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { canonicalCidr } from '../validation/addresses.ts';
import { checkShape, FIELD_IMMUTABLE } from '../../../../machinery/validation/checks.ts';
import { keepSpec } from '../validation/spec-kept.ts';

const CIDRS = FieldPath.of('spec', 'cidrs');

export const serviceCidrStrategy: Strategy<ServiceCIDR> = {
  info: kindInfo('networking.k8s.io', 'ServiceCIDR'),
  tracksGeneration: true,
  columns: [nameColumn, column('CIDRs', 'Ranges of addresses.', s => (s.spec.cidrs ?? []).join(',')), ageColumn],
  allowUnconditionalUpdate: true,
  prepareForCreate(range) {
    range.status = {};
  },
  prepareForUpdate(range, older) {
    if (older.status === undefined) delete range.status;
    else range.status = older.status;
  },
  validateCreate: ({ spec }) => cidrErrors(spec.cidrs ?? []),
  validateUpdate({ spec: { cidrs = [] } }, { spec: { cidrs: older = [] } }) {
    // One range may be joined by one of the other family.
    const grows = older.length === 1 && cidrs.length === 2;
    if (older.length !== cidrs.length && !grows) return [invalidError(CIDRS, cidrs, FIELD_IMMUTABLE)];
    const changed = older.flatMap((was, i) =>
      was === cidrs[i] ? [] : [invalidError(CIDRS.index(i), cidrs[i], FIELD_IMMUTABLE)],
    );
    return grows ? [...changed, ...cidrErrors(cidrs)] : changed;
  },
  status: { prepareForUpdate: keepSpec },
};

function cidrErrors(cidrs: readonly string[]): FieldError[] {
  if (cidrs.length === 0) return [requiredError(CIDRS, 'at least one CIDR required')];
  if (cidrs.length > 2) return [invalidError(CIDRS, { cidrs }, 'may only hold up to 2 values')];
  const errors: FieldError[] = [];
  for (const [i, cidr] of cidrs.entries()) checkShape(errors, CIDRS.index(i), cidr, canonicalCidr);
  const [first, second] = cidrs.map(cidr => ipFamilyOf(cidr.split('/')[0] ?? ''));
  if (first !== undefined && first === second) {
    const why = 'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64';
    errors.push(invalidError(CIDRS, cidrs, why));
  }
  return errors;
}
