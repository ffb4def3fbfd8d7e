/**
 * Validation of ephemeral containers, which may carry less than others. Source: Kubernetes `pkg/apis/core/validation`, 1.36.
 */
import { duplicateError, forbiddenError, invalidError, notFoundError, type FieldError } from '../meta/field-error.ts';
import type { FieldPath } from '../meta/field-path.ts';
import type { EphemeralContainer, PodSpec } from '../../proto/api/core-v1.ts';
import { isBlank } from '../validation/checks.ts';
import type { PodFacts } from './pod-facts.ts';
import { checkCommon } from './validate-containers.ts';

/** In the order of the fields. */
const DISALLOWED = [
  'ports',
  'resources',
  'resizePolicy',
  'restartPolicy',
  'restartPolicyRules',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle',
] as const;

export function checkEphemeralContainers(errors: FieldError[], path: FieldPath, spec: PodSpec, facts: PodFacts): void {
  const others = [...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(container => container.name);
  const targets = new Set(others);
  const names = new Set(others);
  for (const [i, container] of (spec.ephemeralContainers ?? []).entries()) {
    const at = path.index(i);
    checkCommon(errors, at, container, facts);
    const { image = '' } = container;
    if (image.trim() !== image)
      errors.push(invalidError(at.child('image'), image, 'must not have leading or trailing whitespace'));
    if (names.has(container.name)) errors.push(duplicateError(at.child('name'), container.name));
    names.add(container.name);
    const target = container.targetContainerName;
    if (!isBlank(target) && !targets.has(target)) errors.push(notFoundError(at.child('targetContainerName'), target));
    checkDisallowed(errors, at, container);
  }
}

function checkDisallowed(errors: FieldError[], path: FieldPath, container: EphemeralContainer): void {
  const why = 'cannot be set for an Ephemeral Container';
  for (const field of DISALLOWED) {
    const value = container[field];
    if (value === undefined || (Array.isArray(value) && value.length === 0)) continue;
    if (field === 'resources' && Object.keys(value).length === 0) continue;
    errors.push(forbiddenError(path.child(field), why));
  }
  for (const [i, mount] of (container.volumeMounts ?? []).entries()) {
    for (const field of ['subPath', 'subPathExpr'] as const)
      if (!isBlank(mount[field])) errors.push(forbiddenError(path.child('volumeMounts').index(i).child(field), why));
  }
}
