/** StorageClasses. Source: Kubernetes `pkg/apis/storage`, 1.36. */
import { forbiddenError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { jsonEquals } from '../../../../machinery/meta/json-value.ts';
import { qualifiedName } from '../../../../machinery/meta/names.ts';
import type { StorageClass } from '../../../../proto/api/storage-v1.ts';
import type { Column, Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkEnum, checkImmutable, checkRequired } from '../validation/checks.ts';

const DEFAULT_CLASS = 'storageclass.kubernetes.io/is-default-class';

export const storageClassStrategy: Strategy<StorageClass> = {
  info: kindInfo('storage.k8s.io', 'StorageClass'),
  tracksGeneration: false,
  columns: [
    {
      ...(nameColumn as Column<StorageClass>),
      cell: ({ metadata }) =>
        metadata.annotations?.[DEFAULT_CLASS] === 'true' ? `${metadata.name ?? ''} (default)` : (metadata.name ?? ''),
    },
    column('Provisioner', 'Who makes the volumes.', sc => sc.provisioner ?? ''),
    column('ReclaimPolicy', 'What becomes of a volume when its claim goes.', sc => sc.reclaimPolicy ?? 'Delete'),
    column('VolumeBindingMode', 'When volumes are made and bound.', sc => sc.volumeBindingMode ?? 'Immediate'),
    column('AllowVolumeExpansion', 'Whether volumes can grow.', sc => sc.allowVolumeExpansion === true, 'string'),
    ageColumn,
  ],
  allowUnconditionalUpdate: true,
  default(sc) {
    sc.reclaimPolicy ??= 'Delete';
    sc.volumeBindingMode ??= 'Immediate';
  },
  validate(sc) {
    const errors: FieldError[] = [];
    checkRequired(errors, FieldPath.of('provisioner'), sc.provisioner?.toLowerCase(), qualifiedName);
    checkEnum(errors, FieldPath.of('reclaimPolicy'), sc.reclaimPolicy, ['Delete', 'Retain'], 'allowed');
    checkEnum(errors, FieldPath.of('volumeBindingMode'), sc.volumeBindingMode, ['Immediate', 'WaitForFirstConsumer']);
    return errors;
  },
  validateUpdate(sc, older) {
    const errors: FieldError[] = [];
    if (!jsonEquals(sc.parameters ?? {}, older.parameters ?? {})) {
      errors.push(forbiddenError('parameters', 'updates to parameters are forbidden.'));
    }
    if (sc.provisioner !== older.provisioner)
      errors.push(forbiddenError('provisioner', 'updates to provisioner are forbidden.'));
    if (sc.reclaimPolicy !== older.reclaimPolicy)
      errors.push(forbiddenError('reclaimPolicy', 'updates to reclaimPolicy are forbidden.'));
    checkImmutable(errors, FieldPath.of('volumeBindingMode'), sc.volumeBindingMode, older.volumeBindingMode);
    return errors;
  },
};
