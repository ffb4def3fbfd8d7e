/**
 * Environment variables that name the services of a pod's namespace, Docker-links style.
 * Source: kubernetes.io/docs, "Accessing the Service: environment variables"; `pkg/kubelet/envvars` 1.36.
 */
import { hostPort } from '../../../machinery/meta/host-port.ts';
import type { Service } from '../../../proto/api/core-v1.ts';

/** In the order in which they are set; only services with a cluster IP count. */
export function serviceEnv(services: readonly Service[]): Map<string, string> {
  const env = new Map<string, string>();
  const sorted = [...services].sort((a, b) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1));
  for (const service of sorted) {
    const ip = service.spec.clusterIP;
    const ports = service.spec.ports ?? [];
    const first = ports[0];
    if (ip === undefined || ip === '' || ip === 'None' || first === undefined) continue;
    const prefix = (service.metadata.name ?? '').toUpperCase().replaceAll('-', '_');
    env.set(`${prefix}_SERVICE_HOST`, ip);
    env.set(`${prefix}_SERVICE_PORT`, String(first.port));
    for (const port of ports) {
      if (port.name === undefined || port.name === '') continue;
      env.set(`${prefix}_SERVICE_PORT_${port.name.toUpperCase().replaceAll('-', '_')}`, String(port.port));
    }
    for (const [index, port] of ports.entries()) {
      const protocol = port.protocol ?? 'TCP';
      const url = `${protocol.toLowerCase()}://${hostPort(ip, port.port)}`;
      if (index === 0) env.set(`${prefix}_PORT`, url);
      const portPrefix = `${prefix}_PORT_${port.port}_${protocol.toUpperCase()}`;
      env.set(portPrefix, url);
      env.set(`${portPrefix}_PROTO`, protocol.toLowerCase());
      env.set(`${portPrefix}_PORT`, String(port.port));
      env.set(`${portPrefix}_ADDR`, ip);
    }
  }
  return env;
}

/**
 * The services that a pod is told of: those of the API always, those of its namespace if it wants service links.
 */
export function visibleServices(
  own: readonly Service[],
  masterServices: readonly Service[],
  enableServiceLinks: boolean,
): Service[] {
  const master = masterServices.filter(service => service.metadata.name === 'kubernetes');
  const links = enableServiceLinks ? own : [];
  const names = new Set(links.map(service => service.metadata.name));
  return [...links, ...master.filter(service => !names.has(service.metadata.name))];
}
