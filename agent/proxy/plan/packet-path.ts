/** The way of packets to a service as the kernel has it now, and what of it is not as wanted. In no back end's language. */
import type { Counters } from '../../node-iptables/plan/rule.ts';
import { hostPort } from '../../../machinery/meta/host-port.ts';
import type { ServicePortModel } from './model.ts';

/** One rule, or one element of a map, that packets meet, and where it sends them: chance and the client decide between several. */
export interface PathStep {
  /** `cluster IP 10.96.12.7:80/TCP`, `chain cluster-ip-3`, `endpoint 10.244.0.3:8080`. */
  readonly title: string;
  /** Word for word as the kernel has it; undefined if it should be there and is not. */
  readonly rule: string | undefined;
  /** What passed it since it was written, where it counts. */
  readonly counters?: Counters;
  readonly next: readonly PathStep[];
}

/** One thing in which kernel and services differ. */
export interface RuleDifference {
  /** `namespace/name`; absent for what is all services'. */
  readonly service?: string;
  readonly kind: 'missing' | 'unexpected' | 'different';
  /** `map service-ips`, `chain KUBE-SERVICES of table nat`. */
  readonly where: string;
  readonly wanted?: string;
  readonly found?: string;
}

/** What clients call an address of a service. */
export function addressTitle(ip: string, model: ServicePortModel): string {
  const what = ip === model.clusterIP ? 'cluster IP' : model.externalIPs.includes(ip) ? 'external IP' : 'load balancer';
  return `${what} ${hostPort(ip, model.port)}/${model.protocol}`;
}

export function nodePortTitle({ nodePort, protocol }: ServicePortModel): string {
  return `node port ${nodePort}/${protocol}`;
}
