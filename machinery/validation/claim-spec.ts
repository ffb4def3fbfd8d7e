/**
 * Validation of what a PersistentVolumeClaim asks for, in claims and in templates of them.
 * Source: Kubernetes `pkg/apis/core/validation` (persistent volume claims), 1.36.
 */
import {
  forbiddenError,
  invalidError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../meta/field-error.ts';
import type { FieldPath } from '../meta/field-path.ts';
import { validateLabelSelector } from '../meta/label-selector.ts';
import { dns1123Label, dns1123Subdomain } from '../meta/names.ts';
import type { PersistentVolumeClaimSpec, TypedLocalObjectReference } from '../../proto/api/core-v1.ts';
import { checkEnum, checkOptional, checkShape, isBlank } from './checks.ts';
import { checkQuantity } from './resource-list.ts';

const ACCESS_MODES = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];
export const VOLUME_MODES = ['Block', 'Filesystem'];

export function checkAccessModes(errors: FieldError[], path: FieldPath, modes: readonly string[] | undefined): void {
  if (modes === undefined || modes.length === 0) errors.push(requiredError(path, 'at least 1 access mode is required'));
  checkModes(errors, path, modes);
}

/** Modes that are known and go together. */
export function checkModes(errors: FieldError[], path: FieldPath, modes: readonly string[] | undefined): void {
  for (const mode of modes ?? []) {
    if (!ACCESS_MODES.includes(mode)) errors.push(notSupportedError(path, mode, ACCESS_MODES));
  }
  const others = modes?.some(mode => mode !== 'ReadWriteOncePod' && ACCESS_MODES.includes(mode)) === true;
  if (others && modes?.includes('ReadWriteOncePod') === true) {
    errors.push(forbiddenError(path, 'may not use ReadWriteOncePod with other access modes'));
  }
}

export function checkClaimSpec(errors: FieldError[], path: FieldPath, spec: PersistentVolumeClaimSpec): void {
  checkAccessModes(errors, path.child('accessModes'), spec.accessModes);
  errors.push(...validateLabelSelector(spec.selector, path.child('selector')));
  const storage = spec.resources?.requests?.['storage'];
  const at = path.child('resources').key('storage');
  if (storage === undefined) errors.push(requiredError(at));
  else {
    const amount = checkQuantity(errors, at, storage);
    if (amount !== undefined && amount.sign() <= 0) {
      errors.push(invalidError(at, amount.toString(), 'must be greater than zero'));
    }
  }
  checkOptional(errors, path.child('storageClassName'), spec.storageClassName, dns1123Subdomain);
  checkEnum(errors, path.child('volumeMode'), spec.volumeMode, VOLUME_MODES, 'allowed');
  checkOptional(errors, path.child('volumeAttributesClassName'), spec.volumeAttributesClassName, dns1123Subdomain);
  checkDataSources(errors, path, spec);
}

/** What the volume is filled from: under two names, which must say the same unless it lies in another namespace. */
function checkDataSources(errors: FieldError[], path: FieldPath, spec: PersistentVolumeClaimSpec): void {
  const { dataSource: source, dataSourceRef: ref } = spec;
  if (source !== undefined) checkDataSource(errors, path.child('dataSource'), source);
  if (ref !== undefined) {
    checkDataSource(errors, path.child('dataSourceRef'), ref);
    checkOptional(errors, path.child('dataSourceRef', 'namespace'), ref.namespace, dns1123Label);
  }
  if (source === undefined || ref === undefined) return;
  const at = path.child('dataSource').toString();
  const same = source.apiGroup === ref.apiGroup && source.kind === ref.kind && source.name === ref.name;
  if (!isBlank(ref.namespace))
    errors.push(invalidError(path, at, 'may not be specified when dataSourceRef.namespace is specified'));
  else if (!same) errors.push(invalidError(path, at, 'must match dataSourceRef'));
}

function checkDataSource(errors: FieldError[], path: FieldPath, source: TypedLocalObjectReference): void {
  if (isBlank(source.name)) errors.push(requiredError(path.child('name')));
  if (isBlank(source.kind)) errors.push(requiredError(path.child('kind')));
  if (!isBlank(source.apiGroup)) checkShape(errors, path.child('apiGroup'), source.apiGroup, dns1123Subdomain);
  else if (source.kind !== 'PersistentVolumeClaim') {
    const why = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
    errors.push(invalidError(path, source.kind ?? '', why));
  }
}
