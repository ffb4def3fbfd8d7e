/**
 * A service as elements of our nftables maps. Those with session affinity or source ranges have chains of their own besides: which client goes
 * where is then no matter of chance alone.
 */
import type { EndpointModel, NodeModel, ServicePortModel } from './model.ts';
import { externalLocalRules, externalRules, internalRules } from './nftables-base.ts';
import {
  LOCAL_SLOTS,
  REJECT_CHAIN,
  affinityNumber,
  endpointMap,
  familyWords,
  ownChainSuffix,
  transportOf,
} from './nftables-names.ts';
import type { ServiceMap, Transport } from './nftables-names.ts';
import { assignSlots } from './nftables-slots.ts';

/** An address with a port, or a node port, and what becomes of packets to it. */
export interface NftTarget {
  readonly map: ServiceMap;
  /** `10.96.0.1 . tcp . 80`, `tcp . 30080`. */
  readonly key: string;
  readonly verdict: string;
  /** Start of the keys of its endpoints, `10.96.0.1 . 80`, `30080`; absent if its verdict leads to none. */
  readonly endpointKey?: string;
}

/** One port of a service as the kernel shall have it, and what is kept of it once it does. */
export interface NftPort {
  /** As the model's, for people who list the maps. */
  readonly name: string;
  readonly transport: Transport;
  readonly targets: readonly NftTarget[];
  /** Endpoints by slot, `10.244.0.3 . 8080`, for policy Cluster and Local; empty if no target leads there. */
  readonly cluster: readonly string[];
  readonly local: readonly string[];
  /** Addresses of endpoints that are on this node, or may be. */
  readonly hairpin: readonly string[];
  /** Chains of its own with their rules. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
}

const NO_CHAINS: ReadonlyMap<string, readonly string[]> = new Map();

/** @param before what the kernel has of the service, so that endpoints keep their slots */
export function planNftService(
  ports: readonly ServicePortModel[],
  before: readonly NftPort[] | undefined,
  node: NodeModel,
): NftPort[] {
  return ports.map(port => {
    const transport = transportOf(port.protocol);
    return planPort(
      port,
      before?.find(other => other.name === port.name && other.transport === transport),
      node,
    );
  });
}

/**
 * All elements of a service port: set, key and value, which is empty where the set is no map.
 * Generated anew each time, since 10,000 services have 100,000 of them.
 */
export function* elementsOf(port: NftPort): Iterable<readonly [set: string, key: string, value: string]> {
  for (const { map, key, verdict, endpointKey } of port.targets) {
    yield [map, key, verdict];
    if (endpointKey === undefined) continue;
    const set = endpointMap(map, port.transport);
    for (let i = 0; i < port.cluster.length; i++) yield [set, `${endpointKey} . ${i}`, port.cluster[i] ?? ''];
    for (let i = 0; i < port.local.length; i++) yield [set, `${endpointKey} . ${LOCAL_SLOTS + i}`, port.local[i] ?? ''];
  }
}

/** A service as one string: of 10,000 services what is kept is 4 MB, and 15 as objects. */
export function packNftService(ports: readonly NftPort[]): string {
  return JSON.stringify(ports.map(port => ({ ...port, chains: [...port.chains] })));
}

export function unpackNftService(packed: string | undefined): readonly NftPort[] {
  if (packed === undefined) return [];
  const ports = JSON.parse(packed) as (Omit<NftPort, 'chains'> & { chains: [string, string[]][] })[];
  return ports.map(port => ({ ...port, chains: port.chains.length === 0 ? NO_CHAINS : new Map(port.chains) }));
}

function planPort(port: ServicePortModel, before: NftPort | undefined, node: NodeModel): NftPort {
  const transport = transportOf(port.protocol);
  const internalLocal = port.internalPolicy === 'Local';
  const externalLocal = port.externalPolicy === 'Local';
  const counts = { cluster: port.clusterEndpoints.length, local: port.localEndpoints.length };
  const hasAny = counts.cluster > 0 || counts.local > 0;
  const externalIPs = [...new Set([...port.externalIPs, ...port.loadBalancerIPs])].filter(ip => ip !== port.clusterIP);
  const isExternal = externalIPs.length > 0 || port.nodePort !== undefined;
  const usesCluster = !internalLocal || isExternal;
  const usesLocal = internalLocal || (externalLocal && isExternal);
  const isSticky = port.affinitySeconds !== undefined && hasAny;
  const isGuarded = port.sourceRanges.length > 0 && hasAny;

  const chains = new Map<string, readonly string[]>();
  const suffix = isSticky || isGuarded ? ownChainSuffix(port) : '';
  if (isSticky) addAffinityChains();
  const targets: NftTarget[] = [];
  if (port.clusterIP !== undefined) targets.push(address(port.clusterIP, internalVerdict()));
  for (const ip of externalIPs) {
    const verdict = externalVerdict('external');
    targets.push(address(ip, isGuarded && !port.externalIPs.includes(ip) ? guarded(verdict) : verdict));
  }
  if (port.nodePort !== undefined) {
    targets.push(
      target('node-ports', `${transport} . ${port.nodePort}`, `${port.nodePort}`, externalVerdict('node-port')),
    );
  }
  const inMaps = !isSticky && targets.some(t => t.endpointKey !== undefined);
  return {
    name: port.name,
    transport,
    targets,
    cluster: inMaps && usesCluster ? assignSlots(before?.cluster, port.clusterEndpoints.map(endpointText)) : [],
    local: inMaps && usesLocal ? assignSlots(before?.local, port.localEndpoints.map(endpointText)) : [],
    hairpin: hairpinsOf(port),
    chains: chains.size === 0 ? NO_CHAINS : chains,
  };

  function internalVerdict(): string {
    const count = internalLocal ? counts.local : counts.cluster;
    if (count === 0) return hasAny ? 'drop' : `goto ${REJECT_CHAIN}`;
    if (isSticky) return `goto affinity-internal-${suffix}`;
    return `goto cluster-ip-${internalLocal ? 'local-' : ''}${count}`;
  }

  function externalVerdict(kind: 'external' | 'node-port'): string {
    if (!hasAny) return `goto ${REJECT_CHAIN}`;
    if (!externalLocal && counts.cluster === 0) return 'drop';
    if (isSticky) return `goto affinity-external-${suffix}`;
    return externalLocal ? `goto ${kind}-local-${counts.local}-${counts.cluster}` : `goto ${kind}-${counts.cluster}`;
  }

  function guarded(verdict: string): string {
    const { family } = familyWords(node.family);
    const chain = `source-ranges-${suffix}`;
    chains.set(chain, [...port.sourceRanges.map(range => `${family} saddr ${range} ${verdict}`), 'drop']);
    return `goto ${chain}`;
  }

  function address(ip: string, verdict: string): NftTarget {
    return target('service-ips', `${ip} . ${transport} . ${port.port}`, `${ip} . ${port.port}`, verdict);
  }

  function target(map: ServiceMap, key: string, endpointKey: string, verdict: string): NftTarget {
    const leadsOn = verdict !== 'drop' && verdict !== `goto ${REJECT_CHAIN}`;
    return leadsOn && !isSticky ? { map, key, verdict, endpointKey } : { map, key, verdict };
  }

  function addAffinityChains(): void {
    const any = counts.cluster > 0 && usesCluster ? `goto affinity-${suffix}` : undefined;
    const local = counts.local > 0 && usesLocal ? `goto affinity-local-${suffix}` : undefined;
    if (any !== undefined) chains.set(`affinity-${suffix}`, stickyRules(port, port.clusterEndpoints, node));
    if (local !== undefined) chains.set(`affinity-local-${suffix}`, stickyRules(port, port.localEndpoints, node));
    const internal = internalLocal ? local : any;
    if (internal !== undefined) chains.set(`affinity-internal-${suffix}`, internalRules(internal, node));
    if (!isExternal) return;
    if (externalLocal) chains.set(`affinity-external-${suffix}`, externalLocalRules(local, any, node));
    else if (any !== undefined) chains.set(`affinity-external-${suffix}`, externalRules(any, node));
  }
}

/**
 * Where the client was of late, else one of all by chance. A rule that cannot remember (the set may be full) does not match, so the last one
 * sends the packet on without.
 */
function stickyRules(port: ServicePortModel, endpoints: readonly EndpointModel[], node: NodeModel): string[] {
  const { family } = familyWords(node.family);
  const transport = transportOf(port.protocol);
  const all = endpoints.map(endpoint => {
    const client = `${family} saddr . numgen random mod 1 offset ${affinityNumber(port, endpointText(endpoint))}`;
    const remember = `update @affinity { ${client} timeout ${port.affinitySeconds}s }`;
    const to = node.family === 'IPv4' ? `${endpoint.ip}:${endpoint.port}` : `[${endpoint.ip}]:${endpoint.port}`;
    return {
      known: `${client} @affinity ${remember}`,
      remember,
      send: `counter meta l4proto ${transport} dnat ${family} to ${to}`,
    };
  });
  const slots = endpoints.map((endpoint, i) => `${i} : ${endpointText(endpoint)}`);
  return [
    ...all.map(({ known, send }) => `${known} ${send}`),
    ...all.map(({ remember, send }, i) => `numgen random mod ${all.length - i} 0 ${remember} ${send}`),
    `meta l4proto ${transport} dnat ${family} to numgen random mod ${all.length} map { ${slots.join(', ')} }`,
  ];
}

function hairpinsOf(port: ServicePortModel): string[] {
  const addresses = new Set<string>();
  for (const endpoint of port.clusterEndpoints)
    if (endpoint.local || endpoint.maybeHere === true) addresses.add(endpoint.ip);
  for (const endpoint of port.localEndpoints) addresses.add(endpoint.ip);
  return [...addresses];
}

function endpointText(endpoint: EndpointModel): string {
  return `${endpoint.ip} . ${endpoint.port}`;
}
