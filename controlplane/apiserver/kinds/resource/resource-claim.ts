/** ResourceClaims. Source: Kubernetes `pkg/apis/resource`, `pkg/registry/resource/resourceclaim` and `pkg/printers`, 1.36. */
import { type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import type { ResourceClaim } from '../../../../proto/api/resource-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkImmutable } from '../../../../machinery/validation/checks.ts';
import { keepSpec } from '../validation/spec-kept.ts';
import { checkClaimStatus } from './claim-status.ts';
import { checkDeviceClaim, defaultDeviceClaim, defaultTolerations } from './device-claim.ts';

const SPEC = FieldPath.of('spec');

export const resourceClaimStrategy: Strategy<ResourceClaim> = {
  info: kindInfo('resource.k8s.io', 'ResourceClaim'),
  tracksGeneration: false,
  columns: [nameColumn, column('State', 'How far the claim is.', stateOf), ageColumn],
  allowUnconditionalUpdate: true,
  default(claim) {
    defaultDeviceClaim(claim.spec.devices);
    for (const result of claim.status?.allocation?.devices?.results ?? []) defaultTolerations(result.tolerations);
  },
  prepareForCreate(claim) {
    // Nothing is allocated yet; whoever allocates writes the status.
    claim.status = {};
  },
  prepareForUpdate(claim, older) {
    if (older.status === undefined) delete claim.status;
    else claim.status = older.status;
  },
  validateCreate(claim) {
    const errors: FieldError[] = [];
    checkDeviceClaim(errors, SPEC.child('devices'), claim.spec.devices);
    return errors;
  },
  validateUpdate(claim, older) {
    // What cannot change need not be looked at again.
    const errors: FieldError[] = [];
    checkImmutable(errors, SPEC, claim.spec, older.spec);
    return errors;
  },
  status: { prepareForUpdate: keepSpec, validateUpdate: checkClaimStatus },
};

function stateOf({ metadata, status }: ResourceClaim): string {
  const states: string[] = metadata.deletionTimestamp === undefined ? [] : ['deleted'];
  if (status?.allocation === undefined) {
    if (states.length === 0) states.push('pending');
  } else {
    states.push('allocated');
    if ((status.reservedFor ?? []).length > 0) states.push('reserved');
  }
  return states.join(',');
}
