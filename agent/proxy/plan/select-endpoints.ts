/**
 * Which endpoints of all slices a service port uses.
 *
 * - Ready ones; if there is none, those that still serve while they terminate, so that a rolling update drops nothing.
 * - Hints narrow the choice to this node or zone only if every ready endpoint has them and at least one is for here.
 *
 * Source: kube-proxy's topology rules, KEP-1669, KEP-2433, KEP-3015.
 */
import type { Endpoint, EndpointSlice } from '../../../proto/api/discovery-v1.ts';
import { familyOf, isPort } from './address.ts';
import type { EndpointModel, NodeModel, ServiceProtocol } from './model.ts';

/** An endpoint with all that the choice depends on. */
export interface Candidate extends EndpointModel {
  readonly ready: boolean;
  readonly servingTerminating: boolean;
  readonly forNodes: readonly string[];
  readonly forZones: readonly string[];
}

/** Endpoints by policy, sorted. */
export interface SelectedEndpoints {
  readonly clusterEndpoints: EndpointModel[];
  readonly localEndpoints: EndpointModel[];
}

/** Endpoints of one port by name and protocol, without duplicates; of two equal ones the ready one counts. */
export function candidatesOf(
  slices: readonly EndpointSlice[],
  portName: string,
  protocol: ServiceProtocol,
  node: NodeModel,
): Candidate[] {
  const found = new Map<string, Candidate>();
  for (const slice of slices) {
    if (slice.addressType !== node.family) continue;
    for (const slicePort of slice.ports ?? []) {
      const { port } = slicePort;
      if ((slicePort.name ?? '') !== portName || (slicePort.protocol ?? 'TCP') !== protocol || !isPort(port)) continue;
      for (const endpoint of slice.endpoints ?? []) {
        const candidate = candidateOf(endpoint, port, node);
        if (candidate === undefined) continue;
        const key = `${candidate.ip} ${port}`;
        const other = found.get(key);
        if (other === undefined || (candidate.ready && !other.ready)) found.set(key, candidate);
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
  const ip = endpoint.addresses[0];
  if (ip === undefined || familyOf(ip) !== node.family) return undefined;
  const { ready = true, serving = true, terminating = false } = endpoint.conditions ?? {};
  return {
    ip,
    port,
    local: endpoint.nodeName === node.nodeName,
    ready,
    servingTerminating: serving && terminating,
    forNodes: endpoint.hints?.forNodes?.map(hint => hint.name) ?? [],
    forZones: endpoint.hints?.forZones?.map(hint => hint.name) ?? [],
  };
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

function toModel({ ip, port, local }: Candidate): EndpointModel {
  return { ip, port, local };
}
