/** StorageClasses. Source: Kubernetes `pkg/apis/storage` and `pkg/printers`, 1.36. */
import {
  duplicateError,
  forbiddenError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { jsonEquals } from '../../../../machinery/meta/json-value.ts';
import { labelValue, qualifiedName } from '../../../../machinery/meta/names.ts';
import type { TopologySelectorTerm } from '../../../../proto/api/core-v1.ts';
import type { StorageClass } from '../../../../proto/api/storage-v1.ts';
import type { Column, Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkEnum, checkImmutable, checkShape } from '../../../../machinery/validation/checks.ts';
import { isDefaultClass } from '../../../../machinery/meta/default-storage-class.ts';
import { checkParameters, checkProvisioner } from './parameters.ts';

export const storageClassStrategy: Strategy<StorageClass> = {
  info: kindInfo('storage.k8s.io', 'StorageClass'),
  tracksGeneration: false,
  columns: [
    {
      ...(nameColumn as Column<StorageClass>),
      cell: sc => (isDefaultClass(sc) ? `${sc.metadata.name ?? ''} (default)` : (sc.metadata.name ?? '')),
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
    checkProvisioner(errors, 'provisioner', sc.provisioner);
    checkParameters(errors, sc.parameters, true);
    checkEnum(errors, FieldPath.of('reclaimPolicy'), sc.reclaimPolicy, ['Delete', 'Retain'], 'allowed');
    checkEnum(errors, FieldPath.of('volumeBindingMode'), sc.volumeBindingMode, ['Immediate', 'WaitForFirstConsumer']);
    checkTopologies(errors, FieldPath.of('allowedTopologies'), sc.allowedTopologies);
    return errors;
  },
  validateUpdate(sc, older) {
    const errors: FieldError[] = [];
    for (const field of ['parameters', 'provisioner', 'reclaimPolicy'] as const) {
      const same = jsonEquals(sc[field] ?? {}, older[field] ?? {});
      if (!same) errors.push(forbiddenError(field, `updates to ${field} are forbidden.`));
    }
    checkImmutable(errors, FieldPath.of('volumeBindingMode'), sc.volumeBindingMode, older.volumeBindingMode);
    return errors;
  },
};

function checkTopologies(errors: FieldError[], path: FieldPath, terms: readonly TopologySelectorTerm[] = []): void {
  const seen: object[] = [];
  for (const [i, term] of terms.entries()) {
    const at = path.index(i);
    const sets = checkTerm(errors, at, term);
    if (seen.some(other => jsonEquals(other, sets))) errors.push(duplicateError(at.child('matchLabelExpressions'), ''));
    seen.push(sets);
  }
}

/** @returns the sorted values by key: equal terms have equal ones */
function checkTerm(errors: FieldError[], path: FieldPath, term: TopologySelectorTerm): Record<string, string[]> {
  const sets: Record<string, string[]> = {};
  for (const [i, { key, values = [] }] of (term.matchLabelExpressions ?? []).entries()) {
    const at = path.child('matchLabelExpressions').index(i);
    checkShape(errors, at.child('key'), key ?? '', qualifiedName);
    if (values.length === 0) errors.push(requiredError(at.child('values')));
    for (const [j, value] of values.entries()) {
      checkShape(errors, at.child('values').index(j), value, labelValue);
      if (values.indexOf(value) < j) errors.push(duplicateError(at.child('values').index(j), value));
    }
    if (Object.hasOwn(sets, key)) errors.push(duplicateError(at.child('key'), key));
    sets[key] = [...new Set(values)].sort();
  }
  return sets;
}
