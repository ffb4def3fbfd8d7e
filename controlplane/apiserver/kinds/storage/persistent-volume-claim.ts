/** PersistentVolumeClaims. Source: Kubernetes `pkg/apis/core`, `pkg/registry/core/persistentvolumeclaim`, 1.36. */
import { forbiddenError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { deepCopy, jsonEquals } from '../../../../machinery/meta/json-value.ts';
import { tryParseQuantity } from '../../../../machinery/meta/quantity.ts';
import type { PersistentVolumeClaim } from '../../../../proto/api/core-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn, wide } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { defaultClaimSpec } from '../pod/default-volumes.ts';
import { checkClaimSpec } from '../validation/claim-spec.ts';
import { keepSpec } from '../validation/spec-kept.ts';
import { accessModesText } from './access-modes-text.ts';

const SPEC = FieldPath.of('spec');
const OLD_CLASS = 'volume.beta.kubernetes.io/storage-class';

export const persistentVolumeClaimStrategy: Strategy<PersistentVolumeClaim> = {
  info: kindInfo('', 'PersistentVolumeClaim'),
  tracksGeneration: false,
  columns: [
    nameColumn,
    column('Status', 'Whether a volume was found.', claim =>
      claim.metadata.deletionTimestamp === undefined ? (claim.status?.phase ?? '') : 'Terminating',
    ),
    column('Volume', 'Volume that is bound.', claim => claim.spec.volumeName ?? ''),
    column('Capacity', 'Size of the volume.', claim =>
      claim.spec.volumeName ? (claim.status?.capacity?.['storage'] ?? '0') : '',
    ),
    column('Access Modes', 'How the volume can be mounted.', claim =>
      claim.spec.volumeName ? accessModesText(claim.status?.accessModes) : '',
    ),
    column(
      'StorageClass',
      'Class of the volume.',
      claim => claim.metadata.annotations?.[OLD_CLASS] ?? claim.spec.storageClassName ?? '',
    ),
    column(
      'VolumeAttributesClass',
      'Class of changeable properties.',
      claim => claim.spec.volumeAttributesClassName ?? '<unset>',
    ),
    ageColumn,
    wide('VolumeMode', 'File system or raw device.', claim => claim.spec.volumeMode ?? '<unset>'),
  ],
  allowUnconditionalUpdate: true,
  selectableFields: claim => ({ name: claim.metadata.name ?? '' }),
  default(claim) {
    defaultClaimSpec(claim.spec);
    const { dataSource, dataSourceRef } = claim.spec;
    // Two names of one thing, as long as both say the same.
    if (dataSource !== undefined && dataSourceRef === undefined) claim.spec.dataSourceRef = { ...dataSource };
  },
  prepareForCreate(claim) {
    claim.status = { phase: 'Pending' };
  },
  prepareForUpdate(claim, older) {
    claim.status = older.status;
  },
  validate(claim) {
    const errors: FieldError[] = [];
    checkClaimSpec(errors, SPEC, claim.spec);
    return errors;
  },
  validateUpdate({ spec }, { spec: older, status }) {
    const errors: FieldError[] = [];
    const munged = deepCopy(spec);
    if (!older.volumeName) {
      if (older.volumeName === undefined) delete munged.volumeName;
      else munged.volumeName = older.volumeName;
    }
    if (munged.resources !== undefined && older.resources !== undefined && status?.phase === 'Bound')
      munged.resources = older.resources;
    if (older.volumeAttributesClassName === undefined) delete munged.volumeAttributesClassName;
    else munged.volumeAttributesClassName = older.volumeAttributesClassName;
    if (older.storageClassName === undefined && older.volumeName === undefined) delete munged.storageClassName;
    if (!jsonEquals(munged, older)) {
      errors.push(
        forbiddenError(
          SPEC,
          'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims',
        ),
      );
    }
    const before = tryParseQuantity(older.resources?.requests?.['storage'] ?? '0');
    const after = tryParseQuantity(spec.resources?.requests?.['storage'] ?? '0');
    if (before !== undefined && after !== undefined && after.compare(before) < 0) {
      const floor = tryParseQuantity(status?.capacity?.['storage'] ?? '0');
      if (floor === undefined || after.compare(floor) <= 0) {
        errors.push(
          forbiddenError(SPEC.child('resources', 'requests', 'storage'), 'field can not be less than status.capacity'),
        );
      }
    }
    return errors;
  },
  status: { prepareForUpdate: keepSpec },
};
