/**
 * What may change in a pod that exists. Source: Kubernetes `pkg/apis/core/validation` (pod updates), 1.36.
 *
 * Differs: upstream appends a Go-style diff to the refusal; here the paths that differ stand there, with both values.
 */
import { forbiddenError, invalidError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { canonicalJson, deepCopy, jsonEquals } from '../../../../machinery/meta/json-value.ts';
import type { Container, Pod, PodSpec, Toleration } from '../../../../proto/api/core-v1.ts';

const SPEC = FieldPath.of('spec');
const MUTABLE =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

/** The main resource. */
export function validatePodUpdate(pod: Pod, older: Pod): FieldError[] {
  const errors: FieldError[] = [];
  const { spec } = pod;
  const old = older.spec;
  if ((spec.containers ?? []).length !== (old.containers ?? []).length) {
    errors.push(forbiddenError(SPEC.child('containers'), 'pod updates may not add or remove containers'));
    return errors;
  }
  if ((spec.initContainers ?? []).length !== (old.initContainers ?? []).length) {
    errors.push(forbiddenError(SPEC.child('initContainers'), 'pod updates may not add or remove containers'));
    return errors;
  }
  checkDeadline(errors, spec, old);
  checkTolerationsAdded(errors, spec.tolerations ?? [], old.tolerations ?? []);
  checkGates(errors, spec, old);
  const munged = deepCopy(spec);
  allowMutable(munged, old);
  if (!jsonEquals(munged, old)) errors.push(forbiddenError(SPEC, `${MUTABLE}\n${differences(munged, old)}`));
  return errors;
}

/** Everything that an update may change becomes what it was. */
function allowMutable(spec: PodSpec, old: PodSpec): void {
  keepImages(spec.containers, old.containers);
  keepImages(spec.initContainers, old.initContainers);
  keep(spec, old, 'activeDeadlineSeconds');
  keep(spec, old, 'tolerations');
  keep(spec, old, 'schedulingGates');
  if (spec.terminationGracePeriodSeconds === 1 && (old.terminationGracePeriodSeconds ?? 0) < 0) {
    keep(spec, old, 'terminationGracePeriodSeconds');
  }
  // A gated pod has not been looked at by the scheduler: where it may go can still be narrowed.
  if ((old.schedulingGates ?? []).length > 0) {
    if (Object.entries(old.nodeSelector ?? {}).every(([key, value]) => spec.nodeSelector?.[key] === value)) {
      keep(spec, old, 'nodeSelector');
    }
    const affinity = old.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
    if (affinity === undefined && sameBut(spec.affinity, old.affinity)) keep(spec, old, 'affinity');
  }
}

function sameBut(affinity: PodSpec['affinity'], old: PodSpec['affinity']): boolean {
  const without = { ...affinity, nodeAffinity: undefined };
  return jsonEquals(strip(without), strip({ ...old, nodeAffinity: undefined }));
}

function strip(value: object): unknown {
  return JSON.parse(JSON.stringify(value)) as unknown;
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

function checkDeadline(errors: FieldError[], spec: PodSpec, old: PodSpec): void {
  const at = SPEC.child('activeDeadlineSeconds');
  const before = old.activeDeadlineSeconds;
  if (before === undefined) return;
  const after = spec.activeDeadlineSeconds;
  if (after === undefined)
    errors.push(invalidError(at, undefined, 'must not update from a positive integer to nil value'));
  else if (after > before) errors.push(invalidError(at, after, 'must be less than or equal to previous value'));
}

function checkTolerationsAdded(
  errors: FieldError[],
  tolerations: readonly Toleration[],
  old: readonly Toleration[],
): void {
  const plain = (toleration: Toleration): string => canonicalJson({ ...toleration, tolerationSeconds: 0 });
  const have = new Set(tolerations.map(plain));
  if (old.every(toleration => have.has(plain(toleration)))) return;
  const why = 'existing toleration can not be modified except its tolerationSeconds';
  errors.push(forbiddenError(SPEC.child('tolerations'), why));
}

function checkGates(errors: FieldError[], spec: PodSpec, old: PodSpec): void {
  const had = new Set((old.schedulingGates ?? []).map(gate => gate.name));
  for (const [i, gate] of (spec.schedulingGates ?? []).entries()) {
    if (had.has(gate.name)) continue;
    const why = "only deletion is allowed, but found new scheduling gate '" + gate.name + "'";
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
