/**
 * Validation of a pod's volumes: one source each, and that source's own rules.
 * Source: Kubernetes `pkg/apis/core/validation` (ValidateVolumes), 1.36.
 */
import { duplicateError, forbiddenError, invalidError, requiredError, type FieldError } from '../meta/field-error.ts';
import type { FieldPath } from '../meta/field-path.ts';
import { dns1123Label, dns1123Subdomain } from '../meta/names.ts';
import { validateAnnotations, validateLabels } from '../meta/object-meta-validation.ts';
import { tryParseQuantity } from '../meta/quantity.ts';
import type { ObjectMeta } from '../../proto/api/meta-v1.ts';
import type { PersistentVolumeClaimTemplate, Volume } from '../../proto/api/core-v1.ts';
import { checkEnum, checkOneOf, checkRequired } from '../validation/checks.ts';
import { checkClaimSpec } from '../validation/claim-spec.ts';
import { PULL_POLICIES } from './validate-containers.ts';
import { checkMode } from './validate-paths.ts';
import { checkDownwardApiFiles, checkKeysToPaths, checkProjected } from './validate-projected.ts';
import { checkVolumeFields, VOLUME_SOURCES, type VolumeSourceName } from './validate-volume-sources.ts';
import type { Volumes } from './validate-volume-mounts.ts';

/**
 * @param meta of the pod, whose name is part of those of claims; undefined for templates
 * @returns the volumes that are valid: the others are no volumes for whoever mounts them
 */
export function checkVolumes(
  errors: FieldError[],
  path: FieldPath,
  volumes: readonly Volume[] | undefined,
  meta: ObjectMeta | undefined,
): Volumes {
  const valid = new Map<string, Volume>();
  const made = new Set(
    (volumes ?? []).filter(v => v.ephemeral !== undefined && meta?.name).map(v => `${meta?.name ?? ''}-${v.name}`),
  );
  for (const [i, volume] of (volumes ?? []).entries()) {
    const at = path.index(i);
    const before = errors.length;
    checkSource(errors, at, volume, meta);
    checkRequired(errors, at.child('name'), volume.name, dns1123Label);
    if (valid.has(volume.name)) errors.push(duplicateError(at.child('name'), volume.name));
    if (errors.length === before) valid.set(volume.name, volume);
    const claim = volume.persistentVolumeClaim?.claimName;
    if (claim !== undefined && made.has(claim)) {
      const why = 'must not reference a PVC that gets created for an ephemeral volume';
      errors.push(invalidError(at.child('persistentVolumeClaim', 'claimName'), claim, why));
    }
  }
  return valid;
}

function checkSource(errors: FieldError[], path: FieldPath, volume: Volume, meta: ObjectMeta | undefined): void {
  const source = checkOneOf(errors, path, volume, VOLUME_SOURCES, 'volume type') as VolumeSourceName | undefined;
  if (source === undefined) {
    errors.push(requiredError(path, 'must specify a volume type'));
    return;
  }
  const at = path.child(source);
  switch (source) {
    case 'emptyDir':
      checkSizeLimit(errors, at, volume.emptyDir?.sizeLimit);
      return;
    case 'secret':
    case 'configMap': {
      const { defaultMode, items } = volume[source] ?? {};
      if (source === 'secret') checkRequired(errors, at.child('secretName'), volume.secret?.secretName);
      else checkRequired(errors, at.child('name'), volume.configMap?.name);
      checkMode(errors, at.child('defaultMode'), defaultMode);
      checkKeysToPaths(errors, at.child('items'), items);
      return;
    }
    case 'downwardAPI':
      checkMode(errors, at.child('defaultMode'), volume.downwardAPI?.defaultMode);
      checkDownwardApiFiles(errors, at, volume.downwardAPI?.items);
      return;
    case 'projected':
      if (volume.projected !== undefined) checkProjected(errors, at, volume.projected);
      return;
    case 'ephemeral': {
      const template = volume.ephemeral?.volumeClaimTemplate;
      if (template === undefined) errors.push(requiredError(at.child('volumeClaimTemplate')));
      else checkClaimTemplate(errors, at.child('volumeClaimTemplate'), template);
      if (!meta?.name || !volume.name) return;
      const claim = `${meta.name}-${volume.name}`;
      for (const problem of dns1123Subdomain(claim))
        errors.push(invalidError(path.child('name'), volume.name, `PVC name "${claim}": ${problem}`));
      return;
    }
    case 'image':
      // A template's image may be filled in when the pod is made.
      if (meta !== undefined) checkRequired(errors, at.child('reference'), volume.image?.reference);
      checkEnum(errors, at.child('pullPolicy'), volume.image?.pullPolicy, PULL_POLICIES);
      return;
    default:
      checkVolumeFields(errors, at, source, volume);
  }
}

function checkClaimTemplate(errors: FieldError[], path: FieldPath, template: PersistentVolumeClaimTemplate): void {
  const { annotations, labels, ...rest } = template.metadata ?? {};
  errors.push(...validateAnnotations(annotations, path.child('metadata', 'annotations')));
  errors.push(...validateLabels(labels, path.child('metadata', 'labels')));
  for (const [field, value] of Object.entries(rest)) {
    if (value === undefined || field === 'creationTimestamp') continue;
    errors.push(forbiddenError(path.child('metadata', field), 'cannot be set'));
  }
  checkClaimSpec(errors, path.child('spec'), template.spec);
}

function checkSizeLimit(errors: FieldError[], path: FieldPath, text: string | undefined): void {
  if (text === undefined) return;
  const limit = tryParseQuantity(String(text));
  if (limit !== undefined && limit.sign() >= 0) return;
  errors.push(forbiddenError(path.child('sizeLimit'), 'SizeLimit field must be a valid resource quantity'));
}
