/** Services for tests of the iptables back end, without a cluster, and what the kernel has of them. */
import { execFileSync } from 'node:child_process';
import { silentLogger } from '../../../machinery/process/logger.ts';
import type { Iptables } from '../../node-iptables/index.ts';
import type { ServiceUpdate } from '../backend.ts';
import { IptablesBackend } from '../iptables-backend.ts';
import type { ServicePortModel } from '../plan/model.ts';
import { testNode } from './objects.ts';

export type Family = 'ipv4' | 'ipv6';

const modelOf = (family: Family) =>
  family === 'ipv4' ? testNode : { ...testNode, family: 'IPv6' as const, clusterCIDR: 'fd00:10::/64' };

function port(
  id: number,
  endpoints: number[],
  more: Partial<ServicePortModel> = {},
  family: Family = 'ipv4',
): ServicePortModel {
  const pods = family === 'ipv4' ? '10.244.0.' : 'fd00:10::';
  const list = endpoints.map(n => ({ ip: `${pods}${n}`, port: 8080, local: n % 2 === 0 }));
  return {
    name: `default/web-${id}:http`,
    protocol: 'TCP',
    port: 80,
    clusterIP: family === 'ipv4' ? `10.96.${id >> 8}.${id & 255}` : `fd00:96::${id.toString(16)}`,
    externalIPs: [],
    loadBalancerIPs: [],
    sourceRanges: [],
    internalPolicy: 'Cluster',
    externalPolicy: 'Cluster',
    clusterEndpoints: list,
    localEndpoints: list.filter(endpoint => endpoint.local),
    ...more,
  };
}

export const update = (id: number, ...rest: [number[], Partial<ServicePortModel>?, Family?]): ServiceUpdate => ({
  service: `default/web-${id}`,
  ports: [port(id, ...rest)],
});
export const gone = (id: number): ServiceUpdate => ({ service: `default/web-${id}`, ports: [] });

/** A service with everything that makes rules. */
export const everything = (id: number, family: Family = 'ipv4'): ServiceUpdate =>
  update(
    id,
    [3, 4],
    {
      nodePort: 30_000 + id,
      affinitySeconds: 60,
      externalPolicy: 'Local',
      healthCheckNodePort: 32_000 + id,
      externalIPs: [family === 'ipv4' ? '203.0.113.5' : '2001:db8::5'],
      loadBalancerIPs: [family === 'ipv4' ? '203.0.113.6' : '2001:db8::6'],
      sourceRanges: [family === 'ipv4' ? '198.51.100.0/24' : '2001:db8:1::/64'],
    },
    family,
  );

export function backendOf(iptables: Iptables): IptablesBackend {
  return new IptablesBackend({ iptables, node: () => modelOf(iptables.family), log: silentLogger });
}

/** What stands in the namespace, without what changes by itself: comments with the time, counters. */
export function dump(namespace: string, variant: string, family: Family): string[] {
  const program = `${family === 'ipv4' ? 'iptables' : 'ip6tables'}-${variant}-save`;
  const text = execFileSync('nsenter', [`--net=/run/netns/${namespace}`, program]).toString();
  return text
    .split('\n')
    .filter(line => !line.startsWith('#'))
    .map(line => line.replace(/ \[\d+:\d+\]$/, ''));
}

/** Lines that declare such chains. */
export const chainsLike = (lines: readonly string[], pattern: RegExp) =>
  lines.filter(line => line.startsWith(':') && pattern.test(line));
