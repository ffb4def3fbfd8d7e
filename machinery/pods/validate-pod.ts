/**
 * Validation of pods: what pods must satisfy beyond their spec's own rules, which templates share.
 * Source: Kubernetes `pkg/apis/core/validation` (validatePodMetadataAndSpec, ValidatePodCreate), 1.36.
 */
import { forbiddenError, invalidError, type FieldError } from '../meta/field-error.ts';
import { FieldPath } from '../meta/field-path.ts';
import type { Pod } from '../../proto/api/core-v1.ts';
import { isBlank } from '../validation/checks.ts';
import { checkPodAnnotations, checkProfilesAgree } from './validate-pod-annotations.ts';
import { checkPodSpec } from './validate-pod-spec.ts';

const SPEC = FieldPath.of('spec');

/** Rules of every state of a pod. */
export function checkPod(errors: FieldError[], { metadata, spec }: Pod): void {
  checkPodAnnotations(errors, FieldPath.of('metadata', 'annotations'), metadata.annotations, spec);
  checkPodSpec(errors, SPEC, spec, metadata);
  checkTokens(errors, spec);
  for (const list of ['containers', 'initContainers'] as const) {
    for (const [i, { image = '' }] of (spec[list] ?? []).entries()) {
      if (image.trim() === image) continue;
      const at = SPEC.child(list).index(i).child('image');
      errors.push(invalidError(at, image, 'must not have leading or trailing whitespace'));
    }
  }
}

/** Rules of a new pod on top of those. */
export function validateNewPod({ metadata, spec }: Pod): FieldError[] {
  const errors: FieldError[] = [];
  if ((spec.ephemeralContainers ?? []).length > 0)
    errors.push(forbiddenError(SPEC.child('ephemeralContainers'), 'cannot be set on create'));
  if (!isBlank(spec.nodeName) && (spec.schedulingGates ?? []).length > 0)
    errors.push(forbiddenError(SPEC.child('nodeName'), 'cannot be set until all schedulingGates have been cleared'));
  checkProfilesAgree(errors, SPEC, metadata, spec);
  return errors;
}

/** A token is that of the pod's account. */
function checkTokens(errors: FieldError[], { serviceAccountName, volumes }: Pod['spec']): void {
  if (!isBlank(serviceAccountName)) return;
  for (const [i, volume] of (volumes ?? []).entries()) {
    for (const [j, source] of (volume.projected?.sources ?? []).entries()) {
      if (source.serviceAccountToken === undefined) continue;
      const at = SPEC.child('volumes').index(i).child('projected', 'sources').index(j).child('serviceAccountToken');
      errors.push(forbiddenError(at, 'must not be specified when serviceAccountName is not set'));
    }
  }
}
