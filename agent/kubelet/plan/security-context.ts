/**
 * A container's and a sandbox's security settings as CRI takes them: the container's own win over the pod's.
 * Source: kubernetes.io/docs, "Configure a Security Context"; `pkg/securitycontext`, `pkg/kubelet/kuberuntime` 1.36.
 */
import type {
  AppArmorProfile,
  Container,
  Pod,
  SeccompProfile,
  SecurityContext,
  SELinuxOptions,
} from '../../../proto/api/core-v1.ts';
import {
  NamespaceMode,
  SecurityProfile_ProfileType,
  SupplementalGroupsPolicy,
  type Int64Value,
  type LinuxContainerSecurityContext,
  type LinuxSandboxSecurityContext,
  type NamespaceOption,
  type SecurityProfile,
  type SELinuxOption,
  type UserNamespace,
} from '../../../proto/cri/runtime.gen.ts';
import { ConfigError } from './environment.ts';
import { allContainers } from './pod-spec.ts';

const MASKED_PATHS = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];
const READONLY_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** The settings that hold for a container. */
export function effectiveSecurityContext(pod: Pod, container: Container): SecurityContext {
  const whole = pod.spec.securityContext ?? {};
  const own = container.securityContext ?? {};
  const set = <K extends keyof SecurityContext>(
    key: K,
    fallback: SecurityContext[K],
  ): Pick<SecurityContext, K> | object => {
    const value = own[key] ?? fallback;
    return value === undefined ? {} : { [key]: value };
  };
  return {
    ...own,
    ...set('runAsUser', whole.runAsUser),
    ...set('runAsGroup', whole.runAsGroup),
    ...set('runAsNonRoot', whole.runAsNonRoot),
    ...set('seLinuxOptions', whole.seLinuxOptions),
    ...set('seccompProfile', whole.seccompProfile),
    ...set('appArmorProfile', whole.appArmorProfile),
  };
}

/** Who an image's config says its process is. */
export interface ImageUser {
  readonly uid: number | undefined;
  readonly username: string;
}

/** @throws ConfigError when the container must not be root and would be, or might be */
export function checkNonRoot(context: SecurityContext, image: ImageUser, podName: string, containerName: string): void {
  if (context.runAsNonRoot !== true) return;
  const where = `(pod: "${podName}", container: ${containerName})`;
  if (context.runAsUser !== undefined) {
    if (context.runAsUser === 0) throw new ConfigError(`container's runAsUser breaks non-root policy ${where}`);
    return;
  }
  if (image.uid === 0 || (image.uid === undefined && image.username === '')) {
    throw new ConfigError(`container has runAsNonRoot and image will run as root ${where}`);
  }
  if (image.uid === undefined) {
    throw new ConfigError(
      `container has runAsNonRoot and image has non-numeric user (${image.username}), cannot verify user is non-root ${where}`,
    );
  }
}

/**
 * @param targetId container whose processes an ephemeral container joins; '' for none
 * @param userNamespace the pod's own; undefined: the node's
 */
export function namespaceOptions(pod: Pod, targetId = '', userNamespace?: UserNamespace): NamespaceOption {
  const { spec } = pod;
  const shared = spec.shareProcessNamespace === true ? NamespaceMode.POD : NamespaceMode.CONTAINER;
  return {
    network: spec.hostNetwork === true ? NamespaceMode.NODE : NamespaceMode.POD,
    ipc: spec.hostIPC === true ? NamespaceMode.NODE : NamespaceMode.POD,
    pid: targetId !== '' ? NamespaceMode.TARGET : spec.hostPID === true ? NamespaceMode.NODE : shared,
    ...(targetId === '' ? {} : { targetId }),
    ...(userNamespace === undefined ? {} : { usernsOptions: userNamespace }),
  };
}

/** What a container's security settings need beside its spec. */
export interface SecurityContextOfNode {
  /** Container whose processes an ephemeral container joins; '' for none. */
  readonly targetId?: string;
  /** Where the node keeps profiles: specs name them relative to it. */
  readonly seccompFolder?: string;
  /** Who names no profile gets the runtime's; default: none (`seccompDefault` of the node's settings). */
  readonly seccompDefault?: boolean;
  readonly imageUser?: ImageUser | undefined;
  /** The pod's own; undefined: the node's. */
  readonly userNamespace?: UserNamespace | undefined;
}

/** @throws ConfigError */
export function containerSecurityContext(
  pod: Pod,
  container: Container,
  node: SecurityContextOfNode = {},
): LinuxContainerSecurityContext {
  const { targetId = '', seccompFolder = '', seccompDefault = false, imageUser, userNamespace } = node;
  const context = effectiveSecurityContext(pod, container);
  const privileged = context.privileged === true;
  const unmasked = privileged || context.procMount === 'Unmasked';
  const profile = context.seccompProfile ?? (seccompDefault ? { type: 'RuntimeDefault' } : undefined);
  const seccomp = privileged ? unconfined : seccompProfile(profile, seccompFolder);
  return {
    privileged,
    namespaceOptions: namespaceOptions(pod, targetId, userNamespace),
    ...optional('capabilities', context.capabilities, caps => ({
      addCapabilities: (caps.add ?? []).map(plainCapability),
      dropCapabilities: (caps.drop ?? []).map(plainCapability),
    })),
    ...userOf(context, imageUser),
    ...optional('runAsGroup', context.runAsGroup, int64),
    readonlyRootfs: context.readOnlyRootFilesystem === true,
    noNewPrivs: context.allowPrivilegeEscalation === false && !privileged,
    supplementalGroups: supplementalGroups(pod),
    supplementalGroupsPolicy: groupsPolicy(pod),
    maskedPaths: unmasked ? [] : MASKED_PATHS,
    readonlyPaths: unmasked ? [] : READONLY_PATHS,
    seccomp,
    ...optional('apparmor', privileged ? undefined : context.appArmorProfile, appArmorProfile),
    ...optional('selinuxOptions', context.seLinuxOptions, seLinux),
  };
}

/** CRI takes a group only beside a user: who the image says, or root. */
function userOf(
  { runAsUser, runAsGroup }: SecurityContext,
  image: ImageUser | undefined,
): Pick<LinuxContainerSecurityContext, 'runAsUser' | 'runAsUsername'> {
  if (runAsUser !== undefined) return { runAsUser: int64(runAsUser) };
  if (runAsGroup === undefined) return {};
  const { uid, username = '' } = image ?? {};
  return uid === undefined && username !== '' ? { runAsUsername: username } : { runAsUser: int64(uid ?? 0) };
}

export function sandboxSecurityContext(pod: Pod, userNamespace?: UserNamespace): LinuxSandboxSecurityContext {
  const whole = pod.spec.securityContext ?? {};
  const privileged = allContainers(pod).some(({ container }) => container.securityContext?.privileged === true);
  return {
    privileged,
    namespaceOptions: namespaceOptions(pod, '', userNamespace),
    ...optional('runAsUser', whole.runAsUser, int64),
    ...optional('runAsGroup', whole.runAsUser === undefined ? undefined : whole.runAsGroup, int64),
    supplementalGroups: supplementalGroups(pod),
    supplementalGroupsPolicy: groupsPolicy(pod),
    // The pause process needs nothing that this would forbid.
    seccomp: { profileType: SecurityProfile_ProfileType.RuntimeDefault, localhostRef: '' },
    ...optional('selinuxOptions', whole.seLinuxOptions, seLinux),
  };
}

const unconfined: SecurityProfile = { profileType: SecurityProfile_ProfileType.Unconfined, localhostRef: '' };

function seccompProfile(profile: SeccompProfile | undefined, folder: string): SecurityProfile {
  if (profile?.type === 'RuntimeDefault')
    return { profileType: SecurityProfile_ProfileType.RuntimeDefault, localhostRef: '' };
  if (profile?.type !== 'Localhost') return unconfined;
  if (profile.localhostProfile === undefined || profile.localhostProfile === '') {
    throw new ConfigError('localhostProfile must be set if seccompProfile type is Localhost.');
  }
  return { profileType: SecurityProfile_ProfileType.Localhost, localhostRef: `${folder}/${profile.localhostProfile}` };
}

function appArmorProfile(profile: AppArmorProfile): SecurityProfile {
  if (profile.type === 'Localhost') {
    return { profileType: SecurityProfile_ProfileType.Localhost, localhostRef: profile.localhostProfile ?? '' };
  }
  if (profile.type === 'Unconfined') return unconfined;
  return { profileType: SecurityProfile_ProfileType.RuntimeDefault, localhostRef: '' };
}

function seLinux(options: SELinuxOptions): SELinuxOption {
  return { user: options.user ?? '', role: options.role ?? '', type: options.type ?? '', level: options.level ?? '' };
}

function supplementalGroups(pod: Pod): bigint[] {
  const whole = pod.spec.securityContext ?? {};
  const groups = [...(whole.supplementalGroups ?? []), ...(whole.fsGroup === undefined ? [] : [whole.fsGroup])];
  return [...new Set(groups)].map(BigInt);
}

function groupsPolicy(pod: Pod): SupplementalGroupsPolicy {
  const strict = pod.spec.securityContext?.supplementalGroupsPolicy === 'Strict';
  return strict ? SupplementalGroupsPolicy.Strict : SupplementalGroupsPolicy.Merge;
}

function plainCapability(name: string): string {
  return name.replace(/^CAP_/, '');
}

function int64(value: number): Int64Value {
  return { value: BigInt(value) };
}

function optional<K extends string, V, R>(key: K, value: V | undefined, map: (value: V) => R): { [P in K]?: R } {
  return (value === undefined ? {} : { [key]: map(value) }) as { [P in K]?: R };
}
