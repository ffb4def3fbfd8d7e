/**
 * Which pods stand behind a service, and on which ports. Pure.
 * Source: upstream `endpointslice/utils.go` and `pkg/api/v1/endpoints`.
 */
import type { Pod, Service, ServicePort } from '../../../../proto/api/core-v1.ts';
import { isPodTerminal } from './pod-state.ts';

/** A port as a pod answers to it. */
export interface ResolvedPort {
  name: string;
  protocol: string;
  port: number;
  appProtocol?: string | undefined;
}

export type AddressType = 'IPv4' | 'IPv6';

export function isHeadless(service: Service): boolean {
  return service.spec?.clusterIP === 'None';
}

/** Whether the cluster finds the service's pods itself. */
export function hasPodSelector(service: Service): boolean {
  const selector = service.spec?.selector;
  return selector !== undefined && Object.keys(selector).length > 0 && service.spec?.type !== 'ExternalName';
}

export function addressTypesOf(service: Service): AddressType[] {
  const families = service.spec?.ipFamilies ?? [];
  if (families.length > 0) return families.filter((f): f is AddressType => f === 'IPv4' || f === 'IPv6');
  return [service.spec?.clusterIP?.includes(':') === true ? 'IPv6' : 'IPv4'];
}

export function addressOf(pod: Pod, type: AddressType): string | undefined {
  if (isPodTerminal(pod)) return undefined;
  const { podIPs, podIP } = pod.status ?? {};
  const all = podIPs?.map(({ ip }) => ip) ?? (podIP === undefined ? [] : [podIP]);
  return all.find(ip => ip !== undefined && ip !== '' && ip.includes(':') === (type === 'IPv6'));
}

/** The service's ports on this pod; a named port that the pod lacks is left out. */
export function resolvePorts(service: Service, pod: Pod): ResolvedPort[] {
  const resolved: ResolvedPort[] = [];
  for (const port of service.spec?.ports ?? []) {
    const number = targetOf(port, pod);
    if (number === undefined) continue;
    const { name = '', protocol = 'TCP', appProtocol } = port;
    resolved.push({ name, protocol, port: number, ...(appProtocol === undefined ? {} : { appProtocol }) });
  }
  return resolved;
}

function targetOf(port: ServicePort, pod: Pod): number | undefined {
  const target = port.targetPort ?? port.port;
  if (typeof target === 'number') return target === 0 ? port.port : target;
  const sidecars = (pod.spec?.initContainers ?? []).filter(container => container.restartPolicy === 'Always');
  for (const container of [...(pod.spec?.containers ?? []), ...sidecars]) {
    const found = container.ports?.find(p => p.name === target && (p.protocol ?? 'TCP') === (port.protocol ?? 'TCP'));
    if (found !== undefined) return found.containerPort;
  }
  return /^\d+$/.test(target) ? Number(target) : undefined;
}

/** The pod's name inside the service's domain. */
export function hostnameIn(service: Service, pod: Pod): string | undefined {
  const { hostname, subdomain } = pod.spec ?? {};
  return hostname !== undefined && hostname !== '' && subdomain === service.metadata.name ? hostname : undefined;
}
