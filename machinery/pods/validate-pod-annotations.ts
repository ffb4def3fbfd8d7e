/**
 * Annotations of pods and templates that mean something to the API server: mirror pods, deletion costs, and the old places of
 * seccomp and AppArmor profiles. Source: Kubernetes `pkg/apis/core/validation` (ValidatePodSpecificAnnotations), 1.36.
 */
import { forbiddenError, invalidError, type FieldError } from '../meta/field-error.ts';
import { FieldPath } from '../meta/field-path.ts';
import type { ObjectMeta } from '../../proto/api/meta-v1.ts';
import type { AppArmorProfile, Pod, PodSpec, SeccompProfile } from '../../proto/api/core-v1.ts';
import { checkDescendingPath } from './validate-paths.ts';

type Annotations = Readonly<Record<string, string>>;

export const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';
const DELETION_COST = 'controller.kubernetes.io/pod-deletion-cost';
const SECCOMP_POD = 'seccomp.security.alpha.kubernetes.io/pod';
const SECCOMP_CONTAINER = 'container.seccomp.security.alpha.kubernetes.io/';
const APPARMOR = 'container.apparmor.security.beta.kubernetes.io/';
const CONTAINER_LISTS = ['initContainers', 'containers', 'ephemeralContainers'] as const;

/** @param path of the annotations */
export function checkPodAnnotations(
  errors: FieldError[],
  path: FieldPath,
  annotations: Annotations | undefined,
  spec: PodSpec,
): void {
  if (annotations === undefined) return;
  const mirror = annotations[MIRROR_ANNOTATION];
  if (mirror !== undefined && !spec.nodeName) {
    const why = 'must set spec.nodeName if mirror pod annotation is set';
    errors.push(invalidError(path.key(MIRROR_ANNOTATION), mirror, why));
  }
  const cost = annotations[DELETION_COST];
  if (cost !== undefined && !isCost(cost))
    errors.push(invalidError(path.key(DELETION_COST), cost, 'must be a 32bit integer'));
  for (const [key, value] of Object.entries(annotations)) {
    if (key === SECCOMP_POD || key.startsWith(SECCOMP_CONTAINER)) checkSeccomp(errors, path.child(key), value);
    if (key.startsWith(APPARMOR)) checkAppArmor(errors, path.key(key), key.slice(APPARMOR.length), value, spec);
  }
}

/** The old annotations and the fields that took their place agree. */
export function checkProfilesAgree(errors: FieldError[], path: FieldPath, meta: ObjectMeta, spec: PodSpec): void {
  const annotations = meta.annotations ?? {};
  const podSeccomp = spec.securityContext?.seccompProfile;
  const podAt = path.child('securityContext', 'seccompProfile');
  if (podSeccomp !== undefined) compareSeccomp(errors, podAt, annotations[SECCOMP_POD], podSeccomp);
  for (const list of CONTAINER_LISTS) {
    for (const [i, container] of (spec[list] ?? []).entries()) {
      const at = path.child(list).index(i).child('securityContext');
      const { seccompProfile, appArmorProfile } = container.securityContext ?? {};
      if (seccompProfile !== undefined) {
        const annotation = annotations[`${SECCOMP_CONTAINER}${container.name}`];
        compareSeccomp(errors, at.child('seccompProfile'), annotation, seccompProfile);
      }
      const appArmor = appArmorProfile ?? spec.securityContext?.appArmorProfile;
      if (appArmor !== undefined && spec.os?.name !== 'windows')
        compareAppArmor(errors, at.child('appArmorProfile'), annotations[`${APPARMOR}${container.name}`], appArmor);
    }
  }
}

/** Mirror and AppArmor annotations are given at creation, and stay. */
export function checkAnnotationChange(errors: FieldError[], pod: Pod, older: Pod): void {
  const path = FieldPath.of('metadata', 'annotations');
  const now = pod.metadata.annotations ?? {};
  const was = older.metadata.annotations ?? {};
  for (const [key, value] of Object.entries(was)) {
    if (now[key] === value) continue;
    if (key.startsWith(APPARMOR))
      errors.push(forbiddenError(path.key(key), 'may not remove or update AppArmor annotations'));
    if (key === MIRROR_ANNOTATION)
      errors.push(forbiddenError(path.key(key), 'may not remove or update mirror pod annotation'));
  }
  for (const key of Object.keys(now)) {
    if (was[key] !== undefined) continue;
    if (key.startsWith(APPARMOR)) errors.push(forbiddenError(path.key(key), 'may not add AppArmor annotations'));
    if (key === MIRROR_ANNOTATION) errors.push(forbiddenError(path.key(key), 'may not add mirror pod annotation'));
  }
  checkPodAnnotations(errors, path, pod.metadata.annotations, pod.spec);
}

function isCost(text: string): boolean {
  if (!/^(0|-?[1-9][0-9]{0,9})$/.test(text)) return false;
  const cost = Number(text);
  return cost >= -(2 ** 31) && cost < 2 ** 31;
}

function checkSeccomp(errors: FieldError[], path: FieldPath, profile: string): void {
  if (['runtime/default', 'docker/default', 'unconfined'].includes(profile)) return;
  if (profile.startsWith('localhost/')) checkDescendingPath(errors, path, profile.slice('localhost/'.length));
  else errors.push(invalidError(path, profile, 'must be a valid seccomp profile'));
}

function checkAppArmor(errors: FieldError[], path: FieldPath, name: string, profile: string, spec: PodSpec): void {
  if (!CONTAINER_LISTS.some(list => spec[list]?.some(container => container.name === name)))
    errors.push(invalidError(path, name, 'container not found'));
  if (profile === '' || profile === 'runtime/default' || profile === 'unconfined') return;
  if (!profile.startsWith('localhost/'))
    errors.push(invalidError(path, profile, `invalid AppArmor profile name: "${profile}"`));
}

function compareSeccomp(
  errors: FieldError[],
  path: FieldPath,
  annotation: string | undefined,
  field: SeccompProfile,
): void {
  if (annotation === undefined) return;
  const type =
    annotation === 'unconfined'
      ? 'Unconfined'
      : annotation === 'runtime/default' || annotation === 'docker/default'
        ? 'RuntimeDefault'
        : 'Localhost';
  if (type !== field.type)
    errors.push(forbiddenError(path.child('type'), 'seccomp type in annotation and field must match'));
  else if (type === 'Localhost' && annotation !== `localhost/${field.localhostProfile ?? ''}`)
    errors.push(forbiddenError(path.child('localhostProfile'), 'seccomp profile in annotation and field must match'));
}

function compareAppArmor(
  errors: FieldError[],
  path: FieldPath,
  annotation: string | undefined,
  field: AppArmorProfile,
): void {
  if (annotation === undefined) return;
  const type =
    annotation === 'unconfined' ? 'Unconfined' : annotation === 'runtime/default' ? 'RuntimeDefault' : 'Localhost';
  if (type !== field.type)
    errors.push(forbiddenError(path.child('type'), 'apparmor type in annotation and field must match'));
  else if (type === 'Localhost' && annotation !== `localhost/${field.localhostProfile ?? ''}`)
    errors.push(forbiddenError(path.child('localhostProfile'), 'apparmor profile in annotation and field must match'));
}
