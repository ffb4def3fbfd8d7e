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
} from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { validateLabelSelector } from '../../../../machinery/meta/label-selector.ts';
import { dns1123Subdomain } from '../../../../machinery/meta/names.ts';
import type { PersistentVolumeClaimSpec } from '../../../../proto/api/core-v1.ts';
import { checkEnum, checkOptional } from './checks.ts';
import { checkQuantity } from './resource-list.ts';

export const ACCESS_MODES = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];
export const VOLUME_MODES = ['Block', 'Filesystem'];

export function checkAccessModes(errors: FieldError[], path: FieldPath, modes: readonly string[] | undefined): void {
  if (modes === undefined || modes.length === 0) errors.push(requiredError(path, 'at least 1 access mode is required'));
  for (const mode of modes ?? []) {
    if (!ACCESS_MODES.includes(mode)) errors.push(notSupportedError(path, mode, ACCESS_MODES));
  }
  if (modes !== undefined && modes.length > 1 && modes.includes('ReadWriteOncePod')) {
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
}
