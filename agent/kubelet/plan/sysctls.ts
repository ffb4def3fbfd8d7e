/**
 * Which sysctls a pod may set: those that concern it alone. Source: kubernetes.io/docs, "Using sysctls in a Kubernetes Cluster";
 * `pkg/kubelet/sysctl` 1.36: the safe set, reasons and texts.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { PodVerdict } from './pod-status.ts';

const SAFE = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ping_group_range',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_wmem',
]);

/** Those that a namespace of the pod has by itself. */
const OF_NETWORK = ['net.'];
const OF_IPC = ['kernel.shm', 'kernel.msg', 'kernel.sem', 'fs.mqueue.'];

/**
 * The refusal of the first sysctl that the pod may not set.
 * @param allowed by the node beside the safe ones; names, or beginnings followed by `*`
 */
export function forbiddenSysctl({ spec }: Pod, allowed: readonly string[]): PodVerdict | undefined {
  for (const { name } of spec.securityContext?.sysctls ?? []) {
    const why = problemOf(name.replaceAll('/', '.'), allowed, spec.hostNetwork === true, spec.hostIPC === true);
    if (why === undefined) continue;
    return { reason: 'SysctlForbidden', message: `Pod was rejected: forbidden sysctl: ${JSON.stringify(name)} ${why}` };
  }
  return undefined;
}

function problemOf(
  name: string,
  allowed: readonly string[],
  hostNetwork: boolean,
  hostIPC: boolean,
): string | undefined {
  const isAllowed = allowed.some(pattern => {
    const plain = pattern.replaceAll('/', '.');
    return plain.endsWith('*') ? name.startsWith(plain.slice(0, -1)) : name === plain;
  });
  if (!SAFE.has(name) && !isAllowed) return 'not allowlisted';
  const begins = (prefix: string): boolean => name.startsWith(prefix);
  if (hostNetwork && OF_NETWORK.some(begins)) return 'not allowed with host net enabled';
  if (hostIPC && OF_IPC.some(begins)) return 'not allowed with host ipc enabled';
  return undefined;
}
