/**
 * Validation of security contexts of pods and containers. Source: Kubernetes `pkg/apis/core/validation`, 1.36.
 */
import {
  duplicateError,
  forbiddenError,
  invalidError,
  requiredError,
  tooLongError,
  type FieldError,
} from '../meta/field-error.ts';
import type { FieldPath } from '../meta/field-path.ts';
import { unixId } from '../meta/value-shapes.ts';
import type {
  AppArmorProfile,
  PodSecurityContext,
  PodSpec,
  SeccompProfile,
  SecurityContext,
} from '../../proto/api/core-v1.ts';
import { checkEnum, checkShape, isBlank } from '../validation/checks.ts';
import { checkDescendingPath } from './validate-paths.ts';
import { checkWindowsOptions } from './validate-windows.ts';

/** As Go writes it. */
const SYSCTL_TEXT = '^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$';
const IPC_SYSCTL = /^(kernel\.(sem$|shm|msg)|fs\.mqueue\.)/;
const PROFILE_TYPES = ['Localhost', 'RuntimeDefault', 'Unconfined'];
/** Of a path on the host. */
const MAX_PROFILE = 4095;
const SYSCTL = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/;

/** The pod's own context. */
export function checkPodSecurity(errors: FieldError[], path: FieldPath, spec: PodSpec): void {
  checkPodContext(errors, path.child('securityContext'), spec.securityContext ?? {}, spec);
}

/** Root of another user namespace shares none of the host's. The paths are written as upstream writes them. */
export function checkHostUsers(errors: FieldError[], path: FieldPath, spec: PodSpec): void {
  if (spec.hostUsers !== false) return;
  const shared = { hostNetwork: spec.hostNetwork, HostPID: spec.hostPID, HostIPC: spec.hostIPC };
  for (const [name, value] of Object.entries(shared)) {
    if (value === true) errors.push(forbiddenError(path.child(name), 'when `pod.Spec.HostUsers` is false'));
  }
}

function checkPodContext(errors: FieldError[], path: FieldPath, context: PodSecurityContext, spec: PodSpec): void {
  checkId(errors, path.child('fsGroup'), context.fsGroup);
  checkId(errors, path.child('runAsUser'), context.runAsUser);
  checkId(errors, path.child('runAsGroup'), context.runAsGroup);
  for (const [i, group] of (context.supplementalGroups ?? []).entries()) {
    checkId(errors, path.child('supplementalGroups').index(i), group);
  }
  // Upstream keeps this field in the security context, and its path.
  if (spec.shareProcessNamespace === true && spec.hostPID === true) {
    const why = 'ShareProcessNamespace and HostPID cannot both be enabled';
    errors.push(invalidError(path.child('shareProcessNamespace'), true, why));
  }
  checkSysctls(errors, path.child('sysctls'), context, spec);
  checkChoice(errors, path.child('fsGroupChangePolicy'), context.fsGroupChangePolicy, ['Always', 'OnRootMismatch']);
  checkSeccomp(errors, path.child('seccompProfile'), context.seccompProfile);
  checkWindowsOptions(errors, path.child('windowsOptions'), context.windowsOptions);
  checkAppArmor(errors, path.child('appArmorProfile'), context.appArmorProfile);
  checkChoice(errors, path.child('supplementalGroupsPolicy'), context.supplementalGroupsPolicy, ['Merge', 'Strict']);
  checkChoice(errors, path.child('seLinuxChangePolicy'), context.seLinuxChangePolicy, ['MountOption', 'Recursive']);
}

/** A choice that may be left out, but not be empty. */
function checkChoice(errors: FieldError[], path: FieldPath, value: string | undefined, all: readonly string[]): void {
  if (value !== undefined) checkEnum(errors, path, value, all, 'unsupported');
}

/** Settings of a namespace that is the host's would be the host's. */
function checkSysctls(errors: FieldError[], path: FieldPath, context: PodSecurityContext, spec: PodSpec): void {
  const names = new Set<string>();
  for (const [i, sysctl] of (context.sysctls ?? []).entries()) {
    const at = path.index(i).child('name');
    if (isBlank(sysctl.name)) errors.push(requiredError(at));
    else if (sysctl.name.length > 253 || !SYSCTL.test(sysctl.name)) {
      errors.push(invalidError(at, sysctl.name, `must have at most 253 characters and match regex ${SYSCTL_TEXT}`));
    } else if (names.has(sysctl.name)) errors.push(duplicateError(at, sysctl.name));
    const name = (sysctl.name ?? '').replaceAll('/', '.');
    if (spec.hostNetwork === true && name.startsWith('net.'))
      errors.push(invalidError(at, sysctl.name, "may not be specified when 'hostNetwork' is true"));
    else if (spec.hostIPC === true && IPC_SYSCTL.test(name))
      errors.push(invalidError(at, sysctl.name, "may not be specified when 'hostIPC' is true"));
    names.add(sysctl.name);
  }
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
  checkChoice(errors, path.child('procMount'), procMount, ['Default', 'Unmasked']);
  if (hostUsers && procMount === 'Unmasked') {
    errors.push(invalidError(path.child('procMount'), procMount, '`hostUsers` must be false to use `Unmasked`'));
  }
  checkSeccomp(errors, path.child('seccompProfile'), context.seccompProfile);
  if (context.allowPrivilegeEscalation === false) {
    const why = 'cannot set `allowPrivilegeEscalation` to false and';
    if (context.privileged === true) errors.push(invalidError(path, context, `${why} \`privileged\` to true`));
    if (context.capabilities?.add?.includes('CAP_SYS_ADMIN') === true)
      errors.push(invalidError(path, context, `${why} \`capabilities.Add\` CAP_SYS_ADMIN`));
  }
  checkWindowsOptions(errors, path.child('windowsOptions'), context.windowsOptions);
  checkAppArmor(errors, path.child('appArmorProfile'), context.appArmorProfile);
}

function checkSeccomp(errors: FieldError[], path: FieldPath, profile: SeccompProfile | undefined): void {
  if (profile === undefined) return;
  if (isBlank(profile.type))
    errors.push(requiredError(path.child('type'), 'type is required when seccompProfile is set'));
  else checkEnum(errors, path.child('type'), profile.type, PROFILE_TYPES);
  const at = path.child('localhostProfile');
  if (profile.type !== 'Localhost') {
    if (profile.localhostProfile !== undefined) {
      const shown = { Type: profile.type ?? '', LocalhostProfile: profile.localhostProfile };
      errors.push(invalidError(at, shown, 'can only be set when seccomp type is Localhost'));
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
  const local = profile.localhostProfile;
  if (profile.type !== 'Localhost') {
    if (local !== undefined && (profile.type === 'RuntimeDefault' || profile.type === 'Unconfined'))
      errors.push(invalidError(at, local, 'can only be set when AppArmor type is Localhost'));
    return;
  }
  if (isBlank(local)) errors.push(requiredError(at, 'must be set when AppArmor type is Localhost'));
  else if (local.trim() !== local) errors.push(invalidError(at, local, 'must not be padded with whitespace'));
  if ((local?.length ?? 0) > MAX_PROFILE) errors.push(tooLongError(at, MAX_PROFILE));
}

function checkId(errors: FieldError[], path: FieldPath, id: number | undefined): void {
  if (id !== undefined) checkShape(errors, path, id, unixId);
}
