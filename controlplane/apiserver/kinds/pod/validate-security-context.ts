/**
 * Validation of security contexts of pods and containers. Source: Kubernetes `pkg/apis/core/validation`, 1.36.
 */
import {
  duplicateError,
  forbiddenError,
  invalidError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { unixId } from '../../../../machinery/meta/value-shapes.ts';
import type {
  AppArmorProfile,
  PodSecurityContext,
  PodSpec,
  SeccompProfile,
  SecurityContext,
} from '../../../../proto/api/core-v1.ts';
import { checkEnum, checkShape, isBlank } from '../validation/checks.ts';
import { checkDescendingPath } from './validate-paths.ts';

const PROFILE_TYPES = ['Localhost', 'RuntimeDefault', 'Unconfined'];
const SYSCTL = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/;

/** The pod's own context and the host's namespaces that it shares. */
export function checkPodSecurity(errors: FieldError[], path: FieldPath, spec: PodSpec): void {
  const at = path.child('securityContext');
  const context = spec.securityContext;
  if (context !== undefined) checkPodContext(errors, at, context);
  if (spec.shareProcessNamespace === true && spec.hostPID === true) {
    const why = 'ShareProcessNamespace and HostPID cannot both be enabled';
    errors.push(invalidError(path.child('shareProcessNamespace'), true, why));
  }
  if (spec.hostUsers !== false) return;
  const shared = { hostNetwork: spec.hostNetwork, hostPID: spec.hostPID, hostIPC: spec.hostIPC };
  for (const [name, value] of Object.entries(shared)) {
    if (value === true) errors.push(forbiddenError(path.child(name), 'when `hostUsers` is false'));
  }
}

function checkPodContext(errors: FieldError[], path: FieldPath, context: PodSecurityContext): void {
  checkId(errors, path.child('fsGroup'), context.fsGroup);
  checkId(errors, path.child('runAsUser'), context.runAsUser);
  checkId(errors, path.child('runAsGroup'), context.runAsGroup);
  for (const [i, group] of (context.supplementalGroups ?? []).entries()) {
    checkId(errors, path.child('supplementalGroups').index(i), group);
  }
  checkEnum(
    errors,
    path.child('supplementalGroupsPolicy'),
    context.supplementalGroupsPolicy,
    ['Merge', 'Strict'],
    'allowed',
  );
  const fsGroupPolicy = context.fsGroupChangePolicy;
  checkEnum(errors, path.child('fsGroupChangePolicy'), fsGroupPolicy, ['Always', 'OnRootMismatch'], 'allowed');
  checkEnum(
    errors,
    path.child('seLinuxChangePolicy'),
    context.seLinuxChangePolicy,
    ['MountOption', 'Recursive'],
    'allowed',
  );
  const names = new Set<string>();
  for (const [i, sysctl] of (context.sysctls ?? []).entries()) {
    const at = path.child('sysctls').index(i).child('name');
    if (isBlank(sysctl.name)) errors.push(requiredError(at));
    else if (sysctl.name.length > 253 || !SYSCTL.test(sysctl.name)) {
      errors.push(invalidError(at, sysctl.name, `must have at most 253 characters and match regex ${SYSCTL.source}`));
    } else if (names.has(sysctl.name)) errors.push(duplicateError(at, sysctl.name));
    names.add(sysctl.name);
  }
  checkSeccomp(errors, path.child('seccompProfile'), context.seccompProfile);
  checkAppArmor(errors, path.child('appArmorProfile'), context.appArmorProfile);
}

export function checkContainerSecurity(
  errors: FieldError[],
  path: FieldPath,
  context: SecurityContext | undefined,
  hostUsers: boolean,
): void {
  if (context === undefined) return;
  checkId(errors, path.child('runAsUser'), context.runAsUser);
  checkId(errors, path.child('runAsGroup'), context.runAsGroup);
  const procMount = context.procMount;
  checkEnum(errors, path.child('procMount'), procMount, ['Default', 'Unmasked'], 'allowed');
  if (hostUsers && procMount === 'Unmasked') {
    errors.push(invalidError(path.child('procMount'), procMount, '`hostUsers` must be false to use `Unmasked`'));
  }
  checkSeccomp(errors, path.child('seccompProfile'), context.seccompProfile);
  checkAppArmor(errors, path.child('appArmorProfile'), context.appArmorProfile);
  if (context.allowPrivilegeEscalation !== false) return;
  if (context.privileged === true) {
    errors.push(invalidError(path, context, 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true'));
  }
  if (context.capabilities?.add?.includes('CAP_SYS_ADMIN') === true) {
    const why = 'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN';
    errors.push(invalidError(path, context, why));
  }
}

function checkSeccomp(errors: FieldError[], path: FieldPath, profile: SeccompProfile | undefined): void {
  if (profile === undefined) return;
  if (isBlank(profile.type))
    errors.push(requiredError(path.child('type'), 'type is required when seccompProfile is set'));
  else checkEnum(errors, path.child('type'), profile.type, PROFILE_TYPES);
  const at = path.child('localhostProfile');
  if (profile.type !== 'Localhost') {
    if (profile.localhostProfile !== undefined) {
      errors.push(invalidError(at, profile.localhostProfile, 'can only be set when seccomp type is Localhost'));
    }
  } else if (profile.localhostProfile === undefined) {
    errors.push(requiredError(at, 'must be set when seccomp type is Localhost'));
  } else checkDescendingPath(errors, at, profile.localhostProfile);
}

function checkAppArmor(errors: FieldError[], path: FieldPath, profile: AppArmorProfile | undefined): void {
  if (profile === undefined) return;
  if (isBlank(profile.type))
    errors.push(requiredError(path.child('type'), 'type is required when appArmorProfile is set'));
  else checkEnum(errors, path.child('type'), profile.type, PROFILE_TYPES);
  const at = path.child('localhostProfile');
  if (profile.type !== 'Localhost') {
    if (profile.localhostProfile !== undefined) {
      errors.push(invalidError(at, profile.localhostProfile, 'can only be set when AppArmor type is Localhost'));
    }
  } else if (isBlank(profile.localhostProfile?.trim())) {
    errors.push(requiredError(at, 'must be set when AppArmor type is Localhost'));
  }
}

function checkId(errors: FieldError[], path: FieldPath, id: number | undefined): void {
  if (id !== undefined) checkShape(errors, path, id, unixId);
}
