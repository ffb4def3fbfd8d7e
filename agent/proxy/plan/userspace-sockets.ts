/**
 * Which sockets the userspace back end listens on for a service, and where what comes there may go. A port that nothing can be sent to has no
 * socket: the kernel then refuses at once.
 */
import type { EndpointModel, NodeModel, ServicePortModel, TrafficPolicy } from './model.ts';

/** One listening socket. */
export interface SocketPlan {
  /** Tells it from all others: protocol, address and port. */
  readonly key: string;
  readonly protocol: 'TCP' | 'UDP';
  /** `0.0.0.0` or `::` for every address of the node. */
  readonly address: string;
  readonly port: number;
  /** `namespace/name:port`. */
  readonly name: string;
  readonly isNodePort: boolean;
  /** For clients in the cluster: pods, and this node itself. */
  readonly inside: readonly EndpointModel[];
  /** For all others. */
  readonly outside: readonly EndpointModel[];
  /** Whose clients may come; empty for everybody's. */
  readonly sourceRanges: readonly string[];
  readonly affinitySeconds: number | undefined;
}

export interface PlannedSockets {
  readonly sockets: readonly SocketPlan[];
  /** Addresses that are none of the service range and must be the node's for the sockets to be bound. */
  readonly addresses: readonly string[];
  /** What cannot be done, in words. */
  readonly problems: readonly string[];
}

/**
 * @param models those of one service
 * @param ownAddresses the node's, of the family
 */
export function planSockets(
  models: readonly ServicePortModel[],
  node: NodeModel,
  ownAddresses: readonly string[],
): PlannedSockets {
  const sockets: SocketPlan[] = [];
  const problems: string[] = [];
  const addresses = new Set<string>();
  for (const model of models) {
    const { protocol } = model;
    if (protocol === 'SCTP') {
      problems.push(
        `port ${model.port}/SCTP of ${model.name}: only TCP and UDP can be forwarded without a packet filter`,
      );
      continue;
    }
    const add = (address: string, port: number, policy: TrafficPolicy, more: Partial<SocketPlan> = {}): void => {
      const plan = socketOf(model, protocol, address, port, policy, more);
      if (plan.inside.length > 0 || plan.outside.length > 0) sockets.push(plan);
    };
    if (model.clusterIP !== undefined) {
      const endpoints = endpointsOf(model, model.internalPolicy);
      add(model.clusterIP, model.port, 'Cluster', { inside: endpoints, outside: endpoints });
    }
    for (const [list, sourceRanges] of [
      [model.externalIPs, []],
      [model.loadBalancerIPs, model.sourceRanges],
    ] as const) {
      for (const address of list) {
        if (!ownAddresses.includes(address)) addresses.add(address);
        add(address, model.port, model.externalPolicy, { sourceRanges });
      }
    }
    if (model.nodePort !== undefined)
      for (const address of nodePortAddresses(protocol, node, ownAddresses))
        add(address, model.nodePort, model.externalPolicy, { isNodePort: true });
  }
  return { sockets, addresses: [...addresses], problems };
}

function socketOf(
  model: ServicePortModel,
  protocol: 'TCP' | 'UDP',
  address: string,
  port: number,
  policy: TrafficPolicy,
  more: Partial<SocketPlan>,
): SocketPlan {
  return {
    key: `${protocol} ${address} ${port}`,
    protocol,
    address,
    port,
    name: model.name,
    isNodePort: false,
    inside: model.clusterEndpoints,
    outside: endpointsOf(model, policy),
    sourceRanges: [],
    affinitySeconds: model.affinitySeconds,
    ...more,
  };
}

function endpointsOf(model: ServicePortModel, policy: TrafficPolicy): readonly EndpointModel[] {
  return policy === 'Local' ? model.localEndpoints : model.clusterEndpoints;
}

/** One socket of all addresses serves TCP; an answer by UDP comes from the address that was asked only if the socket has no other. */
function nodePortAddresses(
  protocol: 'TCP' | 'UDP',
  { nodePortAddresses: wanted, family, localhostNodePorts }: NodeModel,
  ownAddresses: readonly string[],
): readonly string[] {
  if (wanted !== 'all') return wanted;
  if (protocol === 'TCP') return [family === 'IPv4' ? '0.0.0.0' : '::'];
  return ownAddresses.filter(address => localhostNodePorts || !isLoopback(address));
}

export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}
