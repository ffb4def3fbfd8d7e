/** CSIStorageCapacities. Source: Kubernetes `pkg/apis/storage` and `pkg/printers`, 1.36. */
import { invalidError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { validateLabelSelector } from '../../../../machinery/meta/label-selector.ts';
import { dns1123Subdomain } from '../../../../machinery/meta/names.ts';
import type { CSIStorageCapacity } from '../../../../proto/api/storage-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkImmutable, checkShape } from '../../../../machinery/validation/checks.ts';
import { checkQuantity } from '../../../../machinery/validation/resource-list.ts';

export const csiStorageCapacityStrategy: Strategy<CSIStorageCapacity> = {
  info: kindInfo('storage.k8s.io', 'CSIStorageCapacity'),
  tracksGeneration: false,
  columns: [
    nameColumn,
    column('StorageClassName', 'Class that the capacity is for.', c => c.storageClassName ?? ''),
    column('Capacity', 'What is left.', c => c.capacity ?? '<unset>'),
  ],
  allowUnconditionalUpdate: false,
  validate(capacity) {
    const errors = validateLabelSelector(capacity.nodeTopology, FieldPath.of('nodeTopology'));
    checkShape(errors, FieldPath.of('storageClassName'), capacity.storageClassName ?? '', dns1123Subdomain);
    for (const field of ['capacity', 'maximumVolumeSize'] as const) {
      const text = capacity[field];
      const amount = text === undefined ? undefined : checkQuantity(errors, FieldPath.of(field), text);
      if (amount !== undefined && amount.sign() < 0)
        errors.push(invalidError(field, amount.toString(), 'must be greater than or equal to 0'));
    }
    return errors;
  },
  validateUpdate(capacity, older) {
    const errors: FieldError[] = [];
    checkImmutable(errors, FieldPath.of('nodeTopology'), capacity.nodeTopology, older.nodeTopology);
    checkImmutable(errors, FieldPath.of('storageClassName'), capacity.storageClassName, older.storageClassName);
    return errors;
  },
};
