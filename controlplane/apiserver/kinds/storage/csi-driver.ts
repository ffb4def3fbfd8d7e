/** CSIDrivers. Source: Kubernetes `pkg/apis/storage`, `pkg/registry/storage/csidriver` and `pkg/printers`, 1.36. */
import {
  duplicateError,
  invalidError,
  notSupportedError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import type { CSIDriver, TokenRequest } from '../../../../proto/api/storage-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkEnum, checkImmutable } from '../../../../machinery/validation/checks.ts';

const SPEC = FieldPath.of('spec');
const MIN_TOKEN_SECONDS = 600;
const MAX_TOKEN_SECONDS = 2 ** 32;
const MIN_UPDATE_SECONDS = 10;

export const csiDriverStrategy: Strategy<CSIDriver> = {
  info: kindInfo('storage.k8s.io', 'CSIDriver'),
  tracksGeneration: true,
  columns: [
    nameColumn,
    column('AttachRequired', 'Whether volumes are attached first.', d => d.spec.attachRequired ?? true, 'boolean'),
    column(
      'PodInfoOnMount',
      'Whether the driver is told about the pod.',
      d => d.spec.podInfoOnMount ?? false,
      'boolean',
    ),
    column(
      'StorageCapacity',
      'Whether the scheduler looks at capacities.',
      d => d.spec.storageCapacity ?? false,
      'boolean',
    ),
    column('TokenRequests', 'Audiences of tokens.', ({ spec: { tokenRequests } }) =>
      tokenRequests === undefined ? '<unset>' : tokenRequests.map(token => token.audience).join(','),
    ),
    column(
      'RequiresRepublish',
      'Whether volumes are published again and again.',
      d => d.spec.requiresRepublish ?? false,
      'boolean',
    ),
    column('Modes', 'Kinds of volume.', ({ spec: { volumeLifecycleModes: modes = [] } }) =>
      modes.length === 0 ? '<none>' : modes.join(','),
    ),
    ageColumn,
  ],
  allowUnconditionalUpdate: false,
  default({ spec }) {
    spec.attachRequired ??= true;
    spec.podInfoOnMount ??= false;
    spec.storageCapacity ??= false;
    spec.fsGroupPolicy ??= 'ReadWriteOnceWithFSType';
    if ((spec.volumeLifecycleModes ?? []).length === 0) spec.volumeLifecycleModes = ['Persistent'];
    spec.requiresRepublish ??= false;
    spec.seLinuxMount ??= false;
  },
  validate({ spec }) {
    const errors: FieldError[] = [];
    checkEnum(
      errors,
      SPEC.child('fsGroupPolicy'),
      spec.fsGroupPolicy,
      ['File', 'None', 'ReadWriteOnceWithFSType'],
      'unsupported',
    );
    checkTokenRequests(errors, SPEC.child('tokenRequests'), spec.tokenRequests);
    const modes = ['Persistent', 'Ephemeral'];
    for (const mode of spec.volumeLifecycleModes ?? []) {
      if (!modes.includes(mode)) errors.push(notSupportedError(SPEC.child('volumeLifecycleModes'), mode, modes));
    }
    const period = spec.nodeAllocatableUpdatePeriodSeconds;
    if (period !== undefined && period < MIN_UPDATE_SECONDS) {
      const why = `must be greater than or equal to ${MIN_UPDATE_SECONDS} seconds`;
      errors.push(invalidError(SPEC.child('nodeAllocatableUpdatePeriodSeconds'), period, why));
    }
    return errors;
  },
  validateUpdate({ spec }, { spec: older }) {
    const errors: FieldError[] = [];
    // Upstream's path: the field is called attachRequired.
    checkImmutable(errors, SPEC.child('attachedRequired'), spec.attachRequired, older.attachRequired);
    checkImmutable(errors, SPEC.child('volumeLifecycleModes'), spec.volumeLifecycleModes, older.volumeLifecycleModes);
    return errors;
  },
};

function checkTokenRequests(errors: FieldError[], path: FieldPath, requests: readonly TokenRequest[] = []): void {
  const audiences = new Set<string>();
  for (const [i, { audience = '', expirationSeconds: seconds }] of requests.entries()) {
    const at = path.index(i);
    if (audiences.has(audience)) {
      errors.push(duplicateError(at.child('audience'), audience));
      continue;
    }
    audiences.add(audience);
    if (seconds === undefined) continue;
    if (seconds < MIN_TOKEN_SECONDS) {
      const why = 'may not specify a duration less than 10 minutes';
      errors.push(invalidError(at.child('expirationSeconds'), seconds, why));
    } else if (seconds > MAX_TOKEN_SECONDS) {
      const why = 'may not specify a duration larger than 2^32 seconds';
      errors.push(invalidError(at.child('expirationSeconds'), seconds, why));
    }
  }
}
