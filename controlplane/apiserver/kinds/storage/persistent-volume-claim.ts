/** PersistentVolumeClaims. Source: Kubernetes `pkg/apis/core`, `pkg/registry/core/persistentvolumeclaim`, 1.36. */
import { forbiddenError, invalidError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { deepCopy, jsonEquals } from '../../../../machinery/meta/json-value.ts';
import { tryParseQuantity } from '../../../../machinery/meta/quantity.ts';
import type {
  PersistentVolumeClaim,
  PersistentVolumeClaimSpec,
  TypedLocalObjectReference,
} from '../../../../proto/api/core-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn, wide } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { defaultClaimSpec } from '../../../../machinery/pods/default-volumes.ts';
import { checkImmutable, isBlank } from '../../../../machinery/validation/checks.ts';
import { checkClaimSpec } from '../../../../machinery/validation/claim-spec.ts';
import { keepSpec } from '../validation/spec-kept.ts';
import { accessModesText } from './access-modes-text.ts';
import { checkPersistentVolumeClaimStatus } from './claim-status.ts';

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
  default(claim) {
    defaultClaimSpec(claim.spec);
  },
  prepareForCreate(claim) {
    const { spec } = claim;
    claim.status = { phase: 'Pending' };
    // Upstream's alpha: elsewhere a source lies in the claim's own namespace.
    if (spec.dataSourceRef !== undefined) delete spec.dataSourceRef.namespace;
    // The old name knows claims and snapshots alone; what else stands there has never done anything.
    if (spec.dataSource !== undefined && !isOldDataSource(spec.dataSource)) delete spec.dataSource;
    mirrorDataSource(spec);
  },
  prepareForUpdate(claim, older) {
    claim.status = older.status;
    mirrorDataSource(claim.spec);
  },
  validate(claim) {
    const errors: FieldError[] = [];
    checkClaimSpec(errors, SPEC, claim.spec);
    return errors;
  },
  validateUpdate(claim, older) {
    const errors: FieldError[] = [];
    const annotation = claim.metadata.annotations?.[OLD_CLASS];
    const was = older.metadata.annotations?.[OLD_CLASS];
    const moved = movesToField(claim, older);
    if (!moved && annotation !== was)
      errors.push(invalidError(`metadata.annotations[${OLD_CLASS}]`, annotation ?? '', 'field is immutable'));
    if (!jsonEquals(fixedSpec(claim, older), fixedSpec(older, older)))
      errors.push(
        forbiddenError(
          SPEC,
          'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims',
        ),
      );
    checkSize(errors, claim, older);
    // Upstream's path: without `spec`.
    checkImmutable(errors, FieldPath.of('volumeMode'), claim.spec.volumeMode, older.spec.volumeMode);
    checkAttributesClass(errors, claim.spec.volumeAttributesClassName, older.spec.volumeAttributesClassName);
    return errors;
  },
  warnings({ spec }) {
    return Object.entries(spec.resources?.requests ?? {}).flatMap(([name, text]) => {
      const amount = tryParseQuantity(String(text));
      if (name !== 'storage' || amount === undefined || amount.milliValue() % 1000 === 0) return [];
      return [
        `spec.resources.requests[storage]: fractional byte value "${amount.toString()}" is invalid, must be an integer`,
      ];
    });
  },
  status: { prepareForUpdate: keepSpec, validateUpdate: checkPersistentVolumeClaimStatus },
};

function isOldDataSource({ apiGroup, kind }: TypedLocalObjectReference): boolean {
  return isBlank(apiGroup)
    ? kind === 'PersistentVolumeClaim'
    : apiGroup === 'snapshot.storage.k8s.io' && kind === 'VolumeSnapshot';
}

/** Two names of one thing: whoever gives one gets the other too. */
function mirrorDataSource(spec: PersistentVolumeClaimSpec): void {
  const { dataSource: source, dataSourceRef: ref } = spec;
  if (source !== undefined && ref === undefined) spec.dataSourceRef = { ...source };
  else if (ref !== undefined && source === undefined && isBlank(ref.namespace)) {
    const { namespace: _, ...same } = ref;
    spec.dataSource = same;
  }
}

/** A class that only an annotation named is named by the field from now on. */
function movesToField(claim: PersistentVolumeClaim, older: PersistentVolumeClaim): boolean {
  const was = older.metadata.annotations?.[OLD_CLASS];
  const annotation = claim.metadata.annotations?.[OLD_CLASS];
  return (
    was !== undefined &&
    older.spec.storageClassName === undefined &&
    claim.spec.storageClassName === was &&
    (annotation === undefined || annotation === was)
  );
}

/** The spec without what may change from `older` to it. */
function fixedSpec(claim: PersistentVolumeClaim, older: PersistentVolumeClaim): object {
  const { volumeAttributesClassName: _, ...spec } = deepCopy(claim.spec);
  if (isBlank(older.spec.volumeName)) delete spec.volumeName;
  const annotation = older.metadata.annotations?.[OLD_CLASS];
  const given = spec.storageClassName;
  if (older.spec.storageClassName === undefined && (annotation === undefined || given === annotation))
    delete spec.storageClassName;
  if (older.status?.phase === 'Bound' && spec.resources?.requests?.['storage'] !== undefined)
    spec.resources.requests['storage'] = '';
  return spec;
}

function checkSize(errors: FieldError[], { spec }: PersistentVolumeClaim, older: PersistentVolumeClaim): void {
  const before = tryParseQuantity(older.spec.resources?.requests?.['storage'] ?? '0');
  const after = tryParseQuantity(spec.resources?.requests?.['storage'] ?? '0');
  if (before === undefined || after === undefined || after.compare(before) >= 0) return;
  const floor = tryParseQuantity(older.status?.capacity?.['storage'] ?? '0');
  if (floor !== undefined && after.compare(floor) > 0) return;
  const at = SPEC.child('resources', 'requests', 'storage');
  errors.push(forbiddenError(at, 'field can not be less than status.capacity'));
}

function checkAttributesClass(errors: FieldError[], name: string | undefined, was: string | undefined): void {
  if (was === undefined || (name !== undefined && name !== '')) return;
  const to = name === undefined ? 'nil' : 'an empty string';
  errors.push(
    forbiddenError(SPEC.child('volumeAttributesClassName'), `update from non-nil value to ${to} is forbidden`),
  );
}
