/**
 * What the kernel shall do with each service port, in no back end's language: the iptables and the nftables renderers both
 * start from here. One model is of one address family.
 */
import type { AddressFamily } from './address.ts';

export type ServiceProtocol = 'TCP' | 'UDP' | 'SCTP';

export type TrafficPolicy = 'Cluster' | 'Local';

/** Where a packet may be sent. */
export interface EndpointModel {
  readonly ip: string;
  readonly port: number;
  /** It runs on this node. */
  readonly local: boolean;
  /** Nobody says where it runs, as in slices that people write: it may be here. */
  readonly maybeHere?: true;
}

/** One port of one service. Addresses are those of the family, checked, without duplicates. */
export interface ServicePortModel {
  /** `namespace/name:port`, or `namespace/name` for a port without name. */
  readonly name: string;
  readonly protocol: ServiceProtocol;
  readonly port: number;
  /** Absent if the node itself answers there (see NodeModel.localServiceIPs). */
  readonly clusterIP?: string;
  readonly externalIPs: readonly string[];
  readonly loadBalancerIPs: readonly string[];
  /** Who may reach the load balancer's addresses; empty for everybody. */
  readonly sourceRanges: readonly string[];
  readonly nodePort?: number;
  /** Keeps a client with its endpoint for so long after its last packet. */
  readonly affinitySeconds?: number;
  readonly internalPolicy: TrafficPolicy;
  readonly externalPolicy: TrafficPolicy;
  readonly healthCheckNodePort?: number;
  /** For traffic under policy Cluster; sorted by address and port. */
  readonly clusterEndpoints: readonly EndpointModel[];
  /** For traffic under policy Local; sorted likewise. */
  readonly localEndpoints: readonly EndpointModel[];
}

/** What the plan must know of the node and the cluster. */
export interface NodeModel {
  readonly nodeName: string;
  readonly zone?: string | undefined;
  readonly family: AddressFamily;
  /** Addresses of pods; what comes from elsewhere to a service address is masqueraded. */
  readonly clusterCIDR?: string | undefined;
  /** Service addresses that something on each node answers itself (node-local DNS): no rule may catch them. */
  readonly localServiceIPs: ReadonlySet<string>;
  /** Node ports answer on 127.0.0.1 too (IPv4; needs route_localnet). */
  readonly localhostNodePorts: boolean;
  /** On which of the node's own addresses node ports answer: every one, or these of the family. */
  readonly nodePortAddresses: 'all' | readonly string[];
  /** Which bit of a packet's mark says that it shall be masqueraded: 14 is 0x4000. */
  readonly masqueradeBit: number;
}
