/**
 * What may change in a pod that exists. Source: Kubernetes `pkg/apis/core/validation` (ValidatePodUpdate), 1.36.
 *
 * Differs: upstream appends a Go-style diff to the refusal; here the paths that differ stand there, with both values.
 */
import {
  forbiddenError,
  invalidError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { canonicalJson, deepCopy, jsonEquals } from '../../../../machinery/meta/json-value.ts';
import { inRange } from '../../../../machinery/meta/value-shapes.ts';
import type { Container, Pod, PodSpec, Toleration } from '../../../../proto/api/core-v1.ts';
import { checkShape, isBlank } from '../../../../machinery/validation/checks.ts';
import { keepGatedScheduling } from './validate-gated-update.ts';
import { checkAnnotationChange } from '../../../../machinery/pods/validate-pod-annotations.ts';
import { checkTolerations } from '../../../../machinery/pods/validate-scheduling.ts';

const SPEC = FieldPath.of('spec');
const MAX_INT32 = 2147483647;
const MUTABLE =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

/** The main resource, on top of the rules of every state. */
export function validatePodUpdate(pod: Pod, older: Pod): FieldError[] {
  const errors: FieldError[] = [];
  const { spec } = pod;
  const old = older.spec;
  checkAnnotationChange(errors, pod, older);
  for (const list of ['containers', 'initContainers'] as const) {
    if (!checkContainers(errors, SPEC.child(list), spec[list] ?? [], old[list] ?? [])) return errors;
  }
  if (!checkDeadline(errors, spec, old)) return errors;
  checkTolerationsAdded(errors, spec.tolerations ?? [], old.tolerations ?? []);
  checkGates(errors, spec, old);
  if (jsonEquals(spec, old)) return errors;
  const munged = deepCopy(spec);
  allowMutable(munged, old);
  if ((old.schedulingGates ?? []).length > 0) keepGatedScheduling(errors, munged, old);
  if (!jsonEquals(munged, old)) errors.push(forbiddenError(SPEC, `${MUTABLE}\n${differences(munged, old)}`));
  return errors;
}

function checkContainers(
  errors: FieldError[],
  path: FieldPath,
  containers: readonly Container[],
  old: readonly Container[],
): boolean {
  if (containers.length !== old.length) {
    errors.push(forbiddenError(path, 'pod updates may not add or remove containers'));
    return false;
  }
  for (const [i, { image }] of containers.entries()) {
    const at = path.index(i).child('image');
    if (isBlank(image)) errors.push(requiredError(at));
    else if (image.trim() !== image)
      errors.push(invalidError(at, image, 'must not have leading or trailing whitespace'));
  }
  return true;
}

/** Everything that an update may change becomes what it was. */
function allowMutable(spec: PodSpec, old: PodSpec): void {
  keepImages(spec.containers, old.containers);
  keepImages(spec.initContainers, old.initContainers);
  keep(spec, old, 'activeDeadlineSeconds');
  keep(spec, old, 'tolerations');
  keep(spec, old, 'schedulingGates');
  if (spec.terminationGracePeriodSeconds === 1 && (old.terminationGracePeriodSeconds ?? 0) < 0)
    keep(spec, old, 'terminationGracePeriodSeconds');
}

function keep<K extends keyof PodSpec>(spec: PodSpec, old: PodSpec, field: K): void {
  if (old[field] === undefined) delete spec[field];
  else spec[field] = old[field];
}

function keepImages(containers: readonly Container[] | undefined, old: readonly Container[] | undefined): void {
  for (const [i, container] of (containers ?? []).entries()) {
    const image = old?.[i]?.image;
    if (image === undefined) delete container.image;
    else container.image = image;
  }
}

/** It may come, and be shortened; it may not go, or be lengthened. */
function checkDeadline(errors: FieldError[], spec: PodSpec, old: PodSpec): boolean {
  const at = SPEC.child('activeDeadlineSeconds');
  const before = old.activeDeadlineSeconds;
  const after = spec.activeDeadlineSeconds;
  if (after === undefined) {
    if (before !== undefined)
      errors.push(invalidError(at, undefined, 'must not update from a positive integer to nil value'));
    return true;
  }
  const count = errors.length;
  checkShape(errors, at, after, seconds => inRange(seconds, 0, MAX_INT32));
  if (errors.length === count && before !== undefined && after > before)
    errors.push(invalidError(at, after, 'must be less than or equal to previous value'));
  return errors.length === count;
}

function checkTolerationsAdded(
  errors: FieldError[],
  tolerations: readonly Toleration[],
  old: readonly Toleration[],
): void {
  const at = SPEC.child('tolerations');
  const plain = (toleration: Toleration): string => canonicalJson({ ...toleration, tolerationSeconds: 0 });
  const have = new Set(tolerations.map(plain));
  if (old.every(toleration => have.has(plain(toleration)))) checkTolerations(errors, at, tolerations);
  else errors.push(forbiddenError(at, 'existing toleration can not be modified except its tolerationSeconds'));
}

function checkGates(errors: FieldError[], spec: PodSpec, old: PodSpec): void {
  const had = new Set((old.schedulingGates ?? []).map(gate => gate.name));
  for (const [i, gate] of (spec.schedulingGates ?? []).entries()) {
    if (had.has(gate.name)) continue;
    const why = `only deletion is allowed, but found new scheduling gate '${gate.name}'`;
    errors.push(forbiddenError(SPEC.child('schedulingGates').index(i).child('name'), why));
  }
}

/** One line for each top-level field of the spec that differs. */
function differences(spec: PodSpec, old: PodSpec): string {
  const lines: string[] = [];
  const names = new Set([...Object.keys(old), ...Object.keys(spec)] as (keyof PodSpec)[]);
  for (const name of [...names].sort()) {
    if (jsonEquals(spec[name], old[name])) continue;
    lines.push(`- ${name}: ${canonicalJson(old[name] ?? null)}`, `+ ${name}: ${canonicalJson(spec[name] ?? null)}`);
  }
  return `${lines.join('\n')}\n`;
}
