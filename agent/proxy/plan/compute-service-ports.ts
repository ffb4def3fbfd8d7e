/**
 * A Service and its EndpointSlices as service port models of one family. Headless and external-name services have none, nor have
 * those that ask for another proxy.
 */
import type { Service, ServicePort, ServiceSpec } from '../../../proto/api/core-v1.ts';
import type { EndpointSlice } from '../../../proto/api/discovery-v1.ts';
import { cidrFamilyOf, familyOf, isPort } from './address.ts';
import type { NodeModel, ServicePortModel, ServiceProblem, ServiceProtocol, TrafficPolicy } from './model.ts';
import { candidatesOf, selectEndpoints } from './select-endpoints.ts';

const DEFAULT_AFFINITY_SECONDS = 10_800;
const OTHER_PROXY_LABEL = 'service.kubernetes.io/service-proxy-name';

/** Models of one service and what had to be left out of them. */
export interface ServicePorts {
  readonly ports: ServicePortModel[];
  readonly problems: ServiceProblem[];
}

/** @param slices all slices of the service, of every family, in any order */
export function computeServicePorts(service: Service, slices: readonly EndpointSlice[], node: NodeModel): ServicePorts {
  const key = `${service.metadata.namespace}/${service.metadata.name}`;
  const problems: ServiceProblem[] = [];
  const spec = service.spec;
  if (!isProxied(service)) return { ports: [], problems };

  const complain = (message: string): void => void problems.push({ service: key, message });
  const own = (addresses: readonly string[], what: string): string[] => {
    const good = [...new Set(addresses)].filter(address => {
      if (familyOf(address) === undefined) complain(`${what} ${JSON.stringify(address)} is no address`);
      return familyOf(address) === node.family;
    });
    return good;
  };
  const clusterIP = own(spec.clusterIPs ?? [spec.clusterIP ?? ''], 'clusterIP')[0];
  if (clusterIP === undefined) return { ports: [], problems };
  const externalIPs = own(spec.externalIPs ?? [], 'externalIP');
  const ingress = (service.status?.loadBalancer?.ingress ?? []).filter(i => i.ip !== undefined && i.ipMode !== 'Proxy');
  const loadBalancerIPs =
    spec.type === 'LoadBalancer'
      ? own(
          ingress.map(i => i.ip ?? ''),
          'load balancer address',
        )
      : [];

  const ports: ServicePortModel[] = [];
  for (const port of spec.ports ?? []) {
    const protocol = protocolOf(port);
    if (protocol === undefined || !isPort(port.port)) {
      complain(`port ${port.name ?? ''} ${port.port}/${port.protocol ?? 'TCP'} is no TCP, UDP or SCTP port`);
      continue;
    }
    const candidates = candidatesOf(slices, port.name ?? '', protocol, node);
    ports.push({
      name: port.name === undefined || port.name === '' ? key : `${key}:${port.name}`,
      protocol,
      port: port.port,
      ...(node.localServiceIPs.has(clusterIP) ? {} : { clusterIP }),
      externalIPs,
      loadBalancerIPs,
      sourceRanges: sourceRangesOf(spec, node, complain),
      ...(isPort(port.nodePort) ? { nodePort: port.nodePort } : {}),
      ...affinityOf(spec),
      internalPolicy: policyOf(spec.internalTrafficPolicy),
      externalPolicy: policyOf(spec.externalTrafficPolicy),
      ...(isPort(spec.healthCheckNodePort) ? { healthCheckNodePort: spec.healthCheckNodePort } : {}),
      ...selectEndpoints(candidates, node),
    });
  }
  return { ports, problems };
}

/** Whether rules are made for the service at all. */
export function isProxied(service: Service): boolean {
  const { clusterIP, type } = service.spec;
  if (type === 'ExternalName' || clusterIP === undefined || clusterIP === '' || clusterIP === 'None') return false;
  return service.metadata.labels?.[OTHER_PROXY_LABEL] === undefined;
}

function protocolOf(port: ServicePort): ServiceProtocol | undefined {
  const protocol: string = port.protocol ?? 'TCP';
  return protocol === 'TCP' || protocol === 'UDP' || protocol === 'SCTP' ? protocol : undefined;
}

function policyOf(policy: string | undefined): TrafficPolicy {
  return policy === 'Local' ? 'Local' : 'Cluster';
}

function affinityOf(spec: ServiceSpec): { affinitySeconds?: number } {
  if (spec.sessionAffinity !== 'ClientIP') return {};
  return { affinitySeconds: spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? DEFAULT_AFFINITY_SECONDS };
}

function sourceRangesOf(spec: ServiceSpec, node: NodeModel, complain: (message: string) => void): string[] {
  return [...new Set(spec.loadBalancerSourceRanges ?? [])]
    .map(range => range.trim())
    .filter(range => {
      const family = cidrFamilyOf(range);
      if (family === undefined) complain(`loadBalancerSourceRange ${JSON.stringify(range)} is no CIDR`);
      return family === node.family && !range.endsWith('/0');
    });
}
