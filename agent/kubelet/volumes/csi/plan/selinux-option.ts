/**
 * The mount option that labels a whole file system for its pod, instead of a walk over its files.
 * Source: kubernetes.io/docs, "Efficient SELinux volume relabeling"; KEP 1710.
 */
import type { Container, Pod, SELinuxOptions } from '../../../../../proto/api/core-v1.ts';

/** As Linux distributions' container policies say; each may be set by the pod. */
const DEFAULTS = { user: 'system_u', role: 'object_r', type: 'container_file_t' } as const;

/**
 * `context="..."`, or '' when the volume is labelled another way: the pod asks for it, names no level, or its containers differ.
 * @param volumeName as the pod names it
 */
export function seLinuxMountOption({ spec }: Pod, volumeName: string): string {
  const { seLinuxChangePolicy, seLinuxOptions: ofPod } = spec.securityContext ?? {};
  if (seLinuxChangePolicy === 'Recursive') return '';
  const users = [...(spec.initContainers ?? []), ...spec.containers].filter(container => uses(container, volumeName));
  if (users.some(({ securityContext }) => securityContext?.privileged === true)) return '';
  const contexts = new Set(users.map(({ securityContext }) => label(securityContext?.seLinuxOptions ?? ofPod)));
  const [only = ''] = contexts;
  return contexts.size === 1 && only !== '' ? `context="${only}"` : '';
}

function uses({ volumeMounts = [] }: Container, volumeName: string): boolean {
  return volumeMounts.some(({ name }) => name === volumeName);
}

/** A process type says nothing about files: theirs is the policy's. */
function label(options: SELinuxOptions | undefined): string {
  if (options?.level === undefined || options.level === '') return '';
  return `${DEFAULTS.user}:${DEFAULTS.role}:${DEFAULTS.type}:${options.level}`;
}
