/** Ports of the node that pods take. Source: upstream plugin NodePorts, `GetHostPorts`. */
import type { Pod } from '../../proto/api/core-v1.ts';

/** A host port in use: `ip` is `0.0.0.0` for all addresses, `::` for all of IPv6. */
export interface HostPort {
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

const ALL = '0.0.0.0';
const ALL_OF_IPV6 = '::';

/** Host ports that a pod's containers ask for (all of them when the pod is on the host network: defaulting filled hostPort in). */
export function hostPortsOf({ spec }: Pod): HostPort[] {
  const sidecars = (spec.initContainers ?? []).filter(container => container.restartPolicy === 'Always');
  return [...spec.containers, ...sidecars]
    .flatMap(({ ports = [] }) => ports)
    .filter(({ hostPort = 0 }) => hostPort > 0)
    .map(({ hostIP = '', hostPort = 0, protocol = 'TCP' }) => ({
      ip: hostIP === '' ? ALL : hostIP,
      protocol,
      port: hostPort,
    }));
}

/** Whether one socket could not have both. */
export function portsClash(a: HostPort, b: HostPort): boolean {
  return (
    a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || includes(a.ip, b.ip) || includes(b.ip, a.ip))
  );
}

/** Differs: upstream takes `::` for an address like any other, and finds out on the node that the port is taken. */
function includes(all: string, ip: string): boolean {
  return all === ALL || (all === ALL_OF_IPV6 && ip.includes(':'));
}
