/**
 * Which UDP flows the kernel must forget. UDP has no end that the kernel would see: a flow that once went to an endpoint goes on
 * going there after the endpoint is gone, and one that found no endpoint goes on finding none.
 */
import type { ServicePortModel } from './model.ts';

/** What is kept of a UDP service port. */
export interface UdpState {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly port: number;
  readonly nodePort: number | undefined;
  readonly endpointIPs: readonly string[];
}

/** A filter of flows to delete; fields that are present must match. */
export interface UdpFlow {
  readonly protocol: 'udp';
  readonly originalDestination?: string;
  readonly originalPort?: number;
  readonly natDestination?: string;
}

export function udpStateOf(ports: readonly ServicePortModel[]): UdpState[] {
  return ports
    .filter(port => port.protocol === 'UDP')
    .map(port => ({
      name: port.name,
      addresses: [
        ...(port.clusterIP === undefined ? [] : [port.clusterIP]),
        ...port.externalIPs,
        ...port.loadBalancerIPs,
      ],
      port: port.port,
      nodePort: port.nodePort,
      endpointIPs: [...new Set([...port.clusterEndpoints, ...port.localEndpoints].map(endpoint => endpoint.ip))],
    }));
}

export function computeStaleFlows(before: readonly UdpState[], after: readonly UdpState[]): UdpFlow[] {
  const flows: UdpFlow[] = [];
  for (const old of before) {
    const now = after.find(port => port.name === old.name);
    for (const natDestination of old.endpointIPs.filter(ip => now?.endpointIPs.includes(ip) !== true)) {
      for (const originalDestination of old.addresses)
        flows.push({ protocol: 'udp', originalDestination, natDestination });
      if (old.nodePort !== undefined) flows.push({ protocol: 'udp', originalPort: old.nodePort, natDestination });
    }
  }
  for (const now of after) {
    const old = before.find(port => port.name === now.name);
    if (now.endpointIPs.length === 0 || (old?.endpointIPs.length ?? 0) > 0) continue;
    for (const originalDestination of now.addresses)
      flows.push({ protocol: 'udp', originalDestination, originalPort: now.port });
    if (now.nodePort !== undefined) flows.push({ protocol: 'udp', originalPort: now.nodePort });
  }
  return flows;
}
