/**
 * Which UDP flows the kernel must forget. UDP has no end that the kernel would see: a flow that once went to an endpoint goes on
 * going there after the endpoint is gone, and one that found no endpoint goes on finding none.
 *
 * An endpoint is gone when it serves no more. One that terminates and still serves keeps the flows that it has, though it gets no new ones.
 */
import type { AddressFamily } from './address.ts';
import type { ServicePortModel } from './model.ts';
import type { Candidate } from './select-endpoints.ts';

/** What is kept of a UDP service port. */
export interface UdpState {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly port: number;
  readonly nodePort: number | undefined;
  /** `address port` of those that serve, whatever policy sends packets there. */
  readonly endpoints: readonly string[];
  /** Packets find an endpoint. */
  readonly answers: boolean;
}

/** A filter of flows to delete; fields that are present must match. */
export interface UdpFlow {
  readonly protocol: 'udp';
  readonly family: AddressFamily;
  readonly originalDestination?: string;
  readonly originalPort: number;
  /** Who answers. */
  readonly replySource?: string;
}

/** A flow that the kernel has. */
export interface KnownFlow {
  readonly originalDestination: string;
  readonly originalPort: number;
  /** Who answers; another than the original destination after DNAT. */
  readonly replySource: string;
  readonly replyPort: number;
}

export function udpStateOf(port: ServicePortModel, candidates: readonly Candidate[]): UdpState {
  const { name, clusterIP, externalIPs, loadBalancerIPs, nodePort } = port;
  return {
    name,
    addresses: [...(clusterIP === undefined ? [] : [clusterIP]), ...externalIPs, ...loadBalancerIPs],
    port: port.port,
    nodePort,
    endpoints: candidates.filter(c => c.ready || c.serving).map(c => `${c.ip} ${c.port}`),
    answers: port.clusterEndpoints.length > 0 || port.localEndpoints.length > 0,
  };
}

export function computeStaleFlows(
  family: AddressFamily,
  before: readonly UdpState[],
  after: readonly UdpState[],
): UdpFlow[] {
  const flows: UdpFlow[] = [];
  for (const old of before) {
    // Where nothing answered, nothing was sent on.
    if (old.endpoints.length === 0) continue;
    const now = after.find(port => port.name === old.name && port.port === old.port);
    const places = placesOf(family, old);
    const stays = new Set(now === undefined ? [] : placesOf(family, now).map(textOf));
    const endpoints = new Set(now?.endpoints);
    const gone = old.endpoints.filter(endpoint => !endpoints.has(endpoint));
    const gonePlaces = places.filter(place => !stays.has(textOf(place)));
    // Nothing would be left of them in any case: one filter instead of one an endpoint.
    const isOver = gone.length === old.endpoints.length;
    flows.push(...(isOver ? places : gonePlaces));
    if (isOver) continue;
    for (const replySource of new Set(gone.map(endpoint => endpoint.slice(0, endpoint.indexOf(' ')))))
      flows.push(...places.filter(place => stays.has(textOf(place))).map(place => ({ ...place, replySource })));
  }
  for (const now of after) {
    if (!now.answers) continue;
    const old = before.find(port => port.name === now.name && port.port === now.port);
    const had = new Set(old === undefined || !old.answers ? [] : placesOf(family, old).map(textOf));
    flows.push(...placesOf(family, now).filter(place => !had.has(textOf(place))));
  }
  return unique(flows);
}

/** Of the flows that are there when the proxy starts those that go where no endpoint is. */
export function findStaleFlows(
  family: AddressFamily,
  known: readonly KnownFlow[],
  states: Iterable<readonly UdpState[]>,
): UdpFlow[] {
  const wanted = new Map<string, ReadonlySet<string>>();
  for (const state of states) {
    for (const port of state) {
      const endpoints = new Set(port.endpoints);
      // Without an endpoint there is nothing better that they could go to.
      if (port.answers) for (const place of placesOf(family, port)) wanted.set(textOf(place), endpoints);
    }
  }
  const flows = known.flatMap(({ originalDestination, originalPort, replySource, replyPort }): UdpFlow[] => {
    const endpoints =
      wanted.get(`${originalDestination} ${originalPort}`) ??
      // A node port counts on the node's own addresses alone; what was sent on to somewhere else was sent by DNAT.
      (replySource === originalDestination ? undefined : wanted.get(` ${originalPort}`));
    if (endpoints === undefined || endpoints.has(`${replySource} ${replyPort}`)) return [];
    return [{ protocol: 'udp', family, originalDestination, originalPort, replySource }];
  });
  return unique(flows);
}

/** Whether a flow that the kernel has is one that a filter means. */
export function matchesFlow(filter: UdpFlow, flow: KnownFlow): boolean {
  return (
    filter.originalPort === flow.originalPort &&
    (filter.originalDestination === undefined || filter.originalDestination === flow.originalDestination) &&
    (filter.replySource === undefined || filter.replySource === flow.replySource)
  );
}

function placesOf(family: AddressFamily, { addresses, port, nodePort }: UdpState): UdpFlow[] {
  const base = { protocol: 'udp', family } as const;
  return [
    ...addresses.map(originalDestination => ({ ...base, originalDestination, originalPort: port })),
    ...(nodePort === undefined ? [] : [{ ...base, originalPort: nodePort }]),
  ];
}

function textOf({ originalDestination, originalPort }: UdpFlow): string {
  return `${originalDestination ?? ''} ${originalPort}`;
}

function unique(flows: readonly UdpFlow[]): UdpFlow[] {
  return [...new Map(flows.map(flow => [`${textOf(flow)} ${flow.replySource ?? ''}`, flow])).values()];
}
