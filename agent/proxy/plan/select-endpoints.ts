/**
 * Which endpoints of all slices a service port uses.
 *
 * - Ready ones; if there is none, those that still serve while they terminate, so that a rolling update drops nothing.
 * - Hints narrow the choice to this node or zone only if every ready endpoint has them and at least one is for here.
 * - Traffic under policy Local takes no heed of hints.
 *
 * Source: kube-proxy's topology rules (v1.34, pkg/proxy/topology.go), KEP-1669, KEP-2433, KEP-3015, KEP-4444.
 */
import type { Endpoint, EndpointSlice } from '../../../proto/api/discovery-v1.ts';
import { canonicalAddress } from '../../../machinery/meta/ip-number.ts';
import { ipFamilyOf } from '../../../machinery/meta/value-shapes.ts';
import { isPort } from './address.ts';
import type { EndpointModel, NodeModel, ServiceProtocol } from './model.ts';

/** An endpoint with all that the choice depends on. */
export interface Candidate extends EndpointModel {
  readonly ready: boolean;
  /** It answers, be it ready, terminating or neither. */
  readonly serving: boolean;
  readonly servingTerminating: boolean;
  readonly forNodes: readonly string[];
  readonly forZones: readonly string[];
}

/** Endpoints by policy, sorted. */
export interface SelectedEndpoints {
  readonly clusterEndpoints: EndpointModel[];
  readonly localEndpoints: EndpointModel[];
}

const NONE: readonly string[] = [];

/**
 * Endpoints of one port by name and protocol, without duplicates; of two equal ones the ready one counts.
 * @param complain told of what no rule can be made of, in words
 */
export function candidatesOf(
  slices: readonly EndpointSlice[],
  portName: string,
  protocol: ServiceProtocol,
  node: NodeModel,
  complain: (message: string) => void,
): Candidate[] {
  const found = new Map<string, Candidate>();
  for (const slice of slices) {
    if (slice.addressType !== node.family) continue;
    for (const { name, port, protocol: of = 'TCP' } of slice.ports ?? []) {
      if ((name ?? '') !== portName || of !== protocol) continue;
      if (!isPort(port)) {
        complain(`port ${JSON.stringify(name ?? '')} of EndpointSlice ${slice.metadata.name} is ${port ?? 'none'}`);
        continue;
      }
      for (const endpoint of slice.endpoints ?? []) {
        const candidate = candidateOf(endpoint, port, node);
        if (candidate === undefined) {
          const text = JSON.stringify(endpoint.addresses[0] ?? '');
          complain(`endpoint ${text} of EndpointSlice ${slice.metadata.name} is no ${node.family} address`);
          continue;
        }
        const key = `${candidate.ip} ${port}`;
        const other = found.get(key);
        if (other === undefined || isBetter(candidate, other)) found.set(key, candidate);
      }
    }
  }
  return [...found.values()].sort((a, b) => (a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : a.port - b.port));
}

export function selectEndpoints(candidates: readonly Candidate[], node: NodeModel): SelectedEndpoints {
  const ready = candidates.filter(c => c.ready);
  const near = nearest(ready, node);
  const locals = candidates.filter(c => c.local);
  return {
    clusterEndpoints: (near.length > 0 ? near : candidates.filter(c => c.servingTerminating)).map(toModel),
    localEndpoints: firstOf(
      locals.filter(c => c.ready),
      locals.filter(c => c.servingTerminating),
    ).map(toModel),
  };
}

function candidateOf(endpoint: Endpoint, port: number, node: NodeModel): Candidate | undefined {
  // Others would be the same endpoint's; consumers take the first.
  const ip = canonicalAddress(endpoint.addresses[0] ?? '');
  if (ip === undefined || ipFamilyOf(ip) !== node.family) return undefined;
  const { ready = true, serving = ready, terminating = false } = endpoint.conditions ?? {};
  return {
    ip,
    port,
    local: endpoint.nodeName === node.nodeName,
    ...(endpoint.nodeName === undefined ? { maybeHere: true } : {}),
    ready,
    serving,
    servingTerminating: serving && terminating,
    forNodes: endpoint.hints?.forNodes?.map(hint => hint.name) ?? NONE,
    forZones: endpoint.hints?.forZones?.map(hint => hint.name) ?? NONE,
  };
}

/** An endpoint may stand in two slices for a moment while it moves. */
function isBetter(one: Candidate, other: Candidate): boolean {
  if (one.ready !== other.ready) return one.ready;
  return one.servingTerminating && !other.servingTerminating;
}

function nearest(ready: readonly Candidate[], node: NodeModel): readonly Candidate[] {
  if (ready.length > 0 && ready.every(c => c.forNodes.length > 0)) {
    const here = ready.filter(c => c.forNodes.includes(node.nodeName));
    if (here.length > 0) return here;
  }
  const zone = node.zone;
  if (zone !== undefined && ready.length > 0 && ready.every(c => c.forZones.length > 0)) {
    const here = ready.filter(c => c.forZones.includes(zone));
    if (here.length > 0) return here;
  }
  return ready;
}

function firstOf<T>(wanted: readonly T[], fallback: readonly T[]): readonly T[] {
  return wanted.length > 0 ? wanted : fallback;
}

function toModel({ ip, port, local, maybeHere }: Candidate): EndpointModel {
  return maybeHere === undefined ? { ip, port, local } : { ip, port, local, maybeHere };
}
