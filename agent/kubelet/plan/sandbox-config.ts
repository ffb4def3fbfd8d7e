/** A pod's sandbox as CRI takes it. */
import type { Pod } from '../../../proto/api/core-v1.ts';
import {
  Protocol,
  type PodSandboxConfig,
  type PortMapping,
  type UserNamespace,
} from '../../../proto/cri/runtime.gen.ts';
import { sandboxLabels } from './cri-labels.ts';
import type { DnsSettings } from './dns-config.ts';
import { allContainers } from './pod-spec.ts';
import { sandboxSecurityContext } from './security-context.ts';

export interface SandboxConfigInput {
  readonly pod: Pod;
  /** How many sandboxes the pod had before. */
  readonly attempt: number;
  /** '' on the node's network. */
  readonly hostname: string;
  readonly dns: DnsSettings;
  readonly logFolder: string;
  /** As the runtime's cgroup driver spells it. */
  readonly cgroupParent: string;
  /** Undefined: it shares the node's. */
  readonly userNamespace: UserNamespace | undefined;
}

export function sandboxConfig(input: SandboxConfigInput): PodSandboxConfig {
  const { pod } = input;
  const { name = '', namespace = '', uid = '', annotations = {} } = pod.metadata;
  const sysctls = (pod.spec.securityContext?.sysctls ?? []).map(sysctl => [
    sysctl.name.replaceAll('/', '.'),
    sysctl.value,
  ]);
  return {
    metadata: { name, namespace, uid, attempt: input.attempt },
    hostname: input.hostname,
    logDirectory: input.logFolder,
    dnsConfig: {
      servers: [...input.dns.servers],
      searches: [...input.dns.searches],
      options: [...input.dns.options],
    },
    portMappings: portMappings(pod),
    labels: sandboxLabels(pod),
    annotations: { ...annotations },
    linux: {
      cgroupParent: input.cgroupParent,
      securityContext: sandboxSecurityContext(pod, input.userNamespace),
      sysctls: Object.fromEntries(sysctls) as Record<string, string>,
    },
  };
}

/** Ports that the node hands on; none on the node's own network, where the container binds them itself. */
function portMappings(pod: Pod): PortMapping[] {
  if (pod.spec.hostNetwork === true) return [];
  return allContainers(pod).flatMap(({ container }) =>
    (container.ports ?? [])
      .filter(port => (port.hostPort ?? 0) > 0)
      .map(port => ({
        protocol: protocolOf(port.protocol),
        containerPort: port.containerPort,
        hostPort: port.hostPort ?? 0,
        hostIp: port.hostIP ?? '',
      })),
  );
}

function protocolOf(protocol: string | undefined): Protocol {
  if (protocol === 'UDP') return Protocol.UDP;
  if (protocol === 'SCTP') return Protocol.SCTP;
  return Protocol.TCP;
}
