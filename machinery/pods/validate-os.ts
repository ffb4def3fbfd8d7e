/**
 * What pods of one operating system may not ask for, since the other one alone has it.
 * Source: Kubernetes `pkg/apis/core/validation` (validateLinux, validateWindows), 1.36.
 */
import { forbiddenError, type FieldError } from '../meta/field-error.ts';
import type { FieldPath } from '../meta/field-path.ts';
import type { PodSpec } from '../../proto/api/core-v1.ts';

const LISTS = ['initContainers', 'containers', 'ephemeralContainers'] as const;
const LINUX_POD_CONTEXT = [
  'appArmorProfile',
  'seLinuxOptions',
  'seccompProfile',
  'fsGroup',
  'fsGroupChangePolicy',
  'sysctls',
  'runAsUser',
  'runAsGroup',
  'supplementalGroups',
  'supplementalGroupsPolicy',
  'seLinuxChangePolicy',
] as const;
const LINUX_POD = ['hostUsers', 'hostPID', 'hostIPC', 'shareProcessNamespace'] as const;
const LINUX_CONTAINER = [
  'appArmorProfile',
  'seLinuxOptions',
  'seccompProfile',
  'capabilities',
  'readOnlyRootFilesystem',
  'privileged',
  'allowPrivilegeEscalation',
  'procMount',
  'runAsUser',
  'runAsGroup',
] as const;

export function checkPodOs(errors: FieldError[], path: FieldPath, spec: PodSpec, os: 'linux' | 'windows'): void {
  const context = path.child('securityContext');
  if (os === 'linux') forbid(errors, context, spec.securityContext, ['windowsOptions'], os);
  else {
    forbid(errors, context, spec.securityContext, LINUX_POD_CONTEXT, os);
    // The two that say whether, rather than what, are there only when they say so.
    forbid(
      errors,
      path,
      { ...spec, hostPID: spec.hostPID || undefined, hostIPC: spec.hostIPC || undefined },
      LINUX_POD,
      os,
    );
  }
  const fields = os === 'linux' ? ['windowsOptions'] : LINUX_CONTAINER;
  for (const list of LISTS) {
    for (const [i, container] of (spec[list] ?? []).entries())
      forbid(errors, path.child(list).index(i).child('securityContext'), container.securityContext, fields, os);
  }
}

function forbid(
  errors: FieldError[],
  path: FieldPath,
  object: object | undefined,
  fields: readonly string[],
  os: 'linux' | 'windows',
): void {
  const why = os === 'linux' ? 'windows options cannot be set for a linux pod' : 'cannot be set for a windows pod';
  const values = (object ?? {}) as Record<string, unknown>;
  for (const field of fields) {
    const value = values[field];
    if (value === undefined || (field === 'sysctls' && (value as unknown[]).length === 0)) continue;
    errors.push(forbiddenError(path.child(field), why));
  }
}
