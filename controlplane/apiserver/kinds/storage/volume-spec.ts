/** Validation of what a PersistentVolume is, also where it stands inside a VolumeAttachment. Source: as volume-sources.ts. */
import {
  forbiddenError,
  invalidError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1123Subdomain } from '../../../../machinery/meta/names.ts';
import type { PersistentVolumeSource, PersistentVolumeSpec } from '../../../../proto/api/core-v1.ts';
import { checkEnum, checkOneOf, checkOptional, isBlank } from '../../../../machinery/validation/checks.ts';
import { checkModes, VOLUME_MODES } from '../../../../machinery/validation/claim-spec.ts';
import { checkNodeSelector } from '../../../../machinery/validation/node-selector.ts';
import { checkResourceAmount } from '../../../../machinery/validation/resource-list.ts';
import { checkPersistentVolumeSource, VOLUME_SOURCES } from './volume-sources.ts';

const INLINE = 'may not be specified in the context of inline volumes';
/** Upstream's path, where it is not the field's name. */
const PATHS: Readonly<Record<string, string>> = { gcePersistentDisk: 'persistentDisk' };
const ROOT = /^\/[./]*$/;

/** @param isInline part of a VolumeAttachment: a CSI volume without a life of its own */
export function checkVolumeSpec(
  errors: FieldError[],
  path: FieldPath,
  spec: PersistentVolumeSpec,
  name: string,
  isInline: boolean,
): void {
  if (isInline) checkInline(errors, path, spec);
  if ((spec.accessModes ?? []).length === 0) errors.push(requiredError(path.child('accessModes')));
  checkModes(errors, path.child('accessModes'), spec.accessModes);
  if (!isInline) {
    checkCapacity(errors, path.child('capacity'), spec.capacity ?? {});
    const policies = ['Delete', 'Recycle', 'Retain'];
    checkEnum(
      errors,
      path.child('persistentVolumeReclaimPolicy'),
      spec.persistentVolumeReclaimPolicy,
      policies,
      'allowed',
    );
    checkOptional(errors, path.child('storageClassName'), spec.storageClassName, dns1123Subdomain);
    checkEnum(errors, path.child('volumeMode'), spec.volumeMode, VOLUME_MODES, 'allowed');
    checkAffinity(errors, path.child('nodeAffinity'), spec);
  }
  const source = checkOneOf(errors, path, spec, VOLUME_SOURCES, 'volume type') as
    keyof PersistentVolumeSource | undefined;
  const value = source === undefined ? undefined : spec[source];
  if (source === undefined || value === undefined) errors.push(requiredError(path, 'must specify a volume type'));
  else checkPersistentVolumeSource(errors, path.child(PATHS[source] ?? source), source, value, name);
  if (ROOT.test(spec.hostPath?.path ?? '') && spec.persistentVolumeReclaimPolicy === 'Recycle') {
    const why = "may not be 'recycle' for a hostPath mount of '/'";
    errors.push(forbiddenError(path.child('persistentVolumeReclaimPolicy'), why));
  }
  const attributes = spec.volumeAttributesClassName;
  if (attributes === undefined) return;
  const at = path.child('volumeAttributesClassName');
  if (attributes === '') errors.push(requiredError(at, 'an empty string is disallowed'));
  else checkOptional(errors, at, attributes, dns1123Subdomain);
  if (spec.csi === undefined)
    errors.push(requiredError(path.child('csi'), 'has to be specified when using volumeAttributesClassName'));
}

function checkInline(errors: FieldError[], path: FieldPath, spec: PersistentVolumeSpec): void {
  if (spec.claimRef !== undefined) errors.push(forbiddenError(path.child('claimRef'), INLINE));
  if (Object.keys(spec.capacity ?? {}).length > 0) errors.push(forbiddenError(path.child('capacity'), INLINE));
  if (spec.csi === undefined)
    errors.push(requiredError(path.child('csi'), 'has to be specified in the context of inline volumes'));
  const policy = spec.persistentVolumeReclaimPolicy;
  if (!isBlank(policy) && policy !== 'Retain') {
    const why = 'may only be Retain in the context of inline volumes';
    errors.push(forbiddenError(path.child('persistentVolumeReclaimPolicy'), why));
  }
  if (spec.nodeAffinity !== undefined) errors.push(forbiddenError(path.child('nodeAffinity'), INLINE));
  if (!isBlank(spec.storageClassName)) errors.push(forbiddenError(path.child('storageClassName'), INLINE));
  if (spec.volumeMode !== undefined && spec.volumeMode !== 'Filesystem') {
    const why = 'may not specify volumeMode other than Filesystem in the context of inline volumes';
    errors.push(forbiddenError(path.child('volumeMode'), why));
  }
}

function checkAffinity(errors: FieldError[], path: FieldPath, { nodeAffinity, local }: PersistentVolumeSpec): void {
  if (nodeAffinity === undefined) {
    if (local !== undefined) errors.push(requiredError(path, 'Local volume requires node affinity'));
  } else if (nodeAffinity.required === undefined)
    errors.push(requiredError(path.child('required'), 'must specify required node constraints'));
  else checkNodeSelector(errors, path.child('required'), nodeAffinity.required);
}

function checkCapacity(errors: FieldError[], path: FieldPath, capacity: Readonly<Record<string, string>>): void {
  const names = Object.keys(capacity);
  if (names.length === 0) errors.push(requiredError(path));
  if (capacity['storage'] === undefined || names.length > 1)
    errors.push(notSupportedError(path, capacity, ['storage']));
  for (const [name, text] of Object.entries(capacity)) {
    const amount = checkResourceAmount(errors, path.key(name), name, text);
    if (amount !== undefined && amount.sign() <= 0)
      errors.push(invalidError(path.key(name), amount.toString(), 'must be greater than zero'));
  }
}
