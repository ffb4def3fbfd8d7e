/**
 * A Service and its EndpointSlices as service port models of one family. Headless and external-name services have none, nor have
 * those that ask for another proxy.
 *
 * An address stands in a model once: one that is the load balancer's and an external address as well is the load balancer's, whose
 * source ranges then hold. Differs: with kube-proxy's iptables the external address would win, and the ranges be void.
 */
import type { Service, ServicePort, ServiceSpec } from '../../../proto/api/core-v1.ts';
import type { EndpointSlice } from '../../../proto/api/discovery-v1.ts';
import { keyOf } from '../../../machinery/meta/object.ts';
import { canonicalAddress, networkText, parseNetwork } from '../../../machinery/meta/ip-number.ts';
import { ipFamilyOf } from '../../../machinery/meta/value-shapes.ts';
import { cidrFamilyOf, isPort } from './address.ts';
import { isProxied } from './is-proxied.ts';
import type { NodeModel, ServicePortModel, ServiceProtocol, TrafficPolicy } from './model.ts';
import { candidatesOf, selectEndpoints } from './select-endpoints.ts';
import { addressClaim, ingressOf, nodePortClaim } from './service-claims.ts';
import { udpStateOf } from './udp-flows.ts';
import type { UdpState } from './udp-flows.ts';

const DEFAULT_AFFINITY_SECONDS = 10_800;
const MAX_AFFINITY_SECONDS = 86_400;
/** A service of a thousand bad endpoints is told of by a few. */
const MAX_PROBLEMS = 8;

/** Models of one service, what had to be left out of them, and what load balancers ask. */
export interface ServicePorts {
  readonly ports: ServicePortModel[];
  /** In words, without duplicates; the rest of the service works. */
  readonly problems: readonly string[];
  /** How many of its endpoints on this node are ready, by address. */
  readonly readyHere: number;
  /** What its UDP ports look like to flows that are under way. */
  readonly udp: readonly UdpState[];
}

/** Of a service that no rules are made of. */
export const NO_PORTS: ServicePorts = { ports: [], problems: [], readyHere: 0, udp: [] };

/** The service that holds what `claim` names, if that is another one; see ServiceClaims. */
export type RivalOf = (claim: string) => string | undefined;

/** @param slices all slices of the service, of every family, in any order */
export function computeServicePorts(
  service: Service,
  slices: readonly EndpointSlice[],
  node: NodeModel,
  rivalOf: RivalOf = () => undefined,
): ServicePorts {
  const key = keyOf(service);
  const { spec } = service;
  const problems = new Problems();
  const complain = (message: string): void => problems.add(message);
  if (!isProxied(service)) return NO_PORTS;

  const own = (addresses: readonly string[], what: string): string[] => {
    const canonical = addresses.flatMap(address => {
      const known = canonicalAddress(address);
      if (known === undefined) complain(`${what} ${JSON.stringify(address)} is no address`);
      return known !== undefined && ipFamilyOf(known) === node.family ? [known] : [];
    });
    return [...new Set(canonical)];
  };
  const clusterIP = own(spec.clusterIPs ?? [spec.clusterIP ?? ''], 'clusterIP')[0];
  if (clusterIP === undefined) return { ...NO_PORTS, problems: problems.list() };
  const loadBalancerIPs = without(own(ingressOf(service), 'load balancer address'), [clusterIP]);
  const externalIPs = without(own(spec.externalIPs ?? [], 'externalIP'), [clusterIP, ...loadBalancerIPs]);
  const sourceRanges = sourceRangesOf(spec, node, complain);

  const ports: ServicePortModel[] = [];
  const udp: UdpState[] = [];
  const readyHere = new Set<string>();
  for (const port of spec.ports ?? []) {
    const protocol = protocolOf(port);
    if (protocol === undefined || !isPort(port.port)) {
      complain(`port ${port.name ?? ''} ${port.port}/${port.protocol ?? 'TCP'} is no TCP, UDP or SCTP port`);
      continue;
    }
    const isOwn = (claim: string, what: string): boolean => {
      const rival = rivalOf(claim);
      if (rival !== undefined) complain(`${what} belongs to service ${rival}, which is older`);
      return rival === undefined;
    };
    const isOwnAddress = (ip: string): boolean =>
      isOwn(addressClaim(ip, protocol, port.port), `port ${port.port}/${protocol} of ${ip}`);
    const { nodePort } = port;
    if (nodePort !== undefined && nodePort !== 0 && !isPort(nodePort)) complain(`node port ${nodePort} is no port`);
    const hasNodePort =
      isPort(nodePort) && isOwn(nodePortClaim(protocol, nodePort), `node port ${nodePort}/${protocol}`);
    const candidates = candidatesOf(slices, port.name ?? '', protocol, node, complain);
    for (const { ip, local, ready } of candidates) if (local && ready) readyHere.add(ip);
    const healthPort = spec.healthCheckNodePort;
    const hasHealthPort = isPort(healthPort) && isOwn(nodePortClaim('TCP', healthPort), `node port ${healthPort}/TCP`);
    const model: ServicePortModel = {
      name: port.name === undefined || port.name === '' ? key : `${key}:${port.name}`,
      protocol,
      port: port.port,
      ...(node.localServiceIPs.has(clusterIP) || !isOwnAddress(clusterIP) ? {} : { clusterIP }),
      externalIPs: externalIPs.filter(isOwnAddress),
      loadBalancerIPs: loadBalancerIPs.filter(isOwnAddress),
      sourceRanges,
      ...(hasNodePort ? { nodePort } : {}),
      ...affinityOf(spec, complain),
      internalPolicy: policyOf(spec.internalTrafficPolicy),
      externalPolicy: policyOf(spec.externalTrafficPolicy),
      ...(hasHealthPort ? { healthCheckNodePort: healthPort } : {}),
      ...selectEndpoints(candidates, node),
    };
    ports.push(model);
    if (protocol === 'UDP') udp.push(udpStateOf(model, candidates));
  }
  return { ports, problems: problems.list(), readyHere: readyHere.size, udp };
}

/** Gathers sentences, each once and not too many. */
class Problems {
  private readonly texts = new Set<string>();
  private more = 0;

  add(text: string): void {
    if (this.texts.has(text)) return;
    if (this.texts.size < MAX_PROBLEMS) this.texts.add(text);
    else this.more++;
  }

  list(): string[] {
    return [...this.texts, ...(this.more === 0 ? [] : [`and ${this.more} more`])];
  }
}

function without(list: readonly string[], others: readonly string[]): string[] {
  return list.filter(one => !others.includes(one));
}

function protocolOf(port: ServicePort): ServiceProtocol | undefined {
  const protocol: string = port.protocol ?? 'TCP';
  return protocol === 'TCP' || protocol === 'UDP' || protocol === 'SCTP' ? protocol : undefined;
}

function policyOf(policy: string | undefined): TrafficPolicy {
  return policy === 'Local' ? 'Local' : 'Cluster';
}

function affinityOf(spec: ServiceSpec, complain: (message: string) => void): { affinitySeconds?: number } {
  if (spec.sessionAffinity !== 'ClientIP') return {};
  const seconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? DEFAULT_AFFINITY_SECONDS;
  if (Number.isInteger(seconds) && seconds > 0 && seconds <= MAX_AFFINITY_SECONDS) return { affinitySeconds: seconds };
  complain(
    `session affinity of ${seconds} s is none of 1 to ${MAX_AFFINITY_SECONDS}; it is ${DEFAULT_AFFINITY_SECONDS} s`,
  );
  return { affinitySeconds: DEFAULT_AFFINITY_SECONDS };
}

/** Empty for everybody: also if ranges are given of the other family alone, as upstream. */
function sourceRangesOf(spec: ServiceSpec, node: NodeModel, complain: (message: string) => void): string[] {
  const ranges = new Set<string>();
  for (const text of spec.loadBalancerSourceRanges ?? []) {
    const range = text.trim();
    const family = cidrFamilyOf(range);
    if (family === undefined) complain(`loadBalancerSourceRange ${JSON.stringify(text)} is no range`);
    else if (family === node.family) ranges.add(networkText(parseNetwork(range)));
  }
  // A range of length 0 is everybody, whatever else is given.
  return [...ranges].some(range => range.endsWith('/0')) ? [] : [...ranges];
}
