/**
 * Chains between those that all services share and the rules of single services: one for each 256 addresses and one for each 64 node
 * ports. A first packet passes a few hundred rules instead of all services', and a change rewrites one short chain as a whole,
 * so that writing it twice does no harm.
 *
 * ```
 * KUBE-SERVICES  -d 10.96.4.0/24 ------> KUBE-SERVICES-10.96.4.0  -d 10.96.4.7/32 --dport 80 -> KUBE-SVC-...
 * KUBE-NODEPORTS --dport 30016:30079 --> KUBE-NODEPORTS-TCP-30016 --dport 30020 -------------> KUBE-EXT-...
 * ```
 * Differs: kube-proxy keeps all these rules in the shared chains themselves.
 */
import { canonicalCidr } from '../../node-iptables/plan/address.ts';
import type { Rule } from '../../node-iptables/plan/rule.ts';
import { hostCidr } from './address.ts';
import { chainHash } from './chain-names.ts';
import type { ProxyTable } from './iptables-base.ts';
import type { NodeModel } from './model.ts';

const PORTS_PER_BRANCH = 64;

/** Shared chains, which lead to branches, and what the names of those begin with. */
const PREFIX_OF_ROOT = {
  'KUBE-SERVICES': 'KUBE-SERVICES',
  'KUBE-NODEPORTS': 'KUBE-NODEPORTS',
  'KUBE-EXTERNAL-SERVICES': 'KUBE-EXTERNAL',
  'KUBE-EXTERNAL-NODEPORTS': 'KUBE-EXTERNAL',
  'KUBE-PROXY-FIREWALL': 'KUBE-PROXY-FW',
} as const;

export type RootChain = keyof typeof PREFIX_OF_ROOT;

/** The shared chains of each table. */
export const ROOT_CHAINS: Record<ProxyTable, readonly RootChain[]> = {
  nat: ['KUBE-SERVICES', 'KUBE-NODEPORTS'],
  filter: [
    'KUBE-SERVICES',
    'KUBE-EXTERNAL-SERVICES',
    'KUBE-EXTERNAL-NODEPORTS',
    'KUBE-NODEPORTS',
    'KUBE-PROXY-FIREWALL',
  ],
};

export interface Branch {
  readonly table: ProxyTable;
  readonly root: RootChain;
  readonly chain: string;
  /** The rule of the root that leads there. */
  readonly entry: string;
}

/** The branch of rules for one address. @throws RangeError if it is none */
export function addressBranch(table: ProxyTable, root: RootChain, ip: string): Branch {
  const isV6 = ip.includes(':');
  const network = canonicalCidr(`${ip}/${isV6 ? 120 : 24}`);
  const chain = `${PREFIX_OF_ROOT[root]}-${isV6 ? chainHash(network).slice(0, 14) : network.slice(0, -3)}`;
  return { table, root, chain, entry: `-d ${network} -j ${chain}` };
}

/** The branch of rules for one port of the node itself. */
export function portBranch(table: ProxyTable, root: RootChain, protocol: string, port: number): Branch {
  const from = port - (port % PORTS_PER_BRANCH);
  const chain = `${PREFIX_OF_ROOT[root]}-${protocol.toUpperCase()}-${from}`;
  const ports = `${from}:${from + PORTS_PER_BRANCH - 1}`;
  return { table, root, chain, entry: `-p ${protocol} -m ${protocol} --dport ${ports} -j ${chain}` };
}

/** The last rules of a shared chain. */
export function rootTail(table: ProxyTable, root: RootChain, node: NodeModel): Rule[] {
  if (table === 'nat' && root === 'KUBE-SERVICES')
    return toNode(
      node,
      'KUBE-NODEPORTS',
      'kubernetes service nodeports; NOTE: this must be the last rule in this chain',
    );
  if (root === 'KUBE-EXTERNAL-SERVICES')
    return toNode(node, 'KUBE-EXTERNAL-NODEPORTS', 'kubernetes service nodeports without endpoints');
  return [];
}

/** Jumps of packets for those of the node's addresses on which node ports answer. */
function toNode(node: NodeModel, chain: string, comment: string): Rule[] {
  const target = { kind: 'jump', chain } as const;
  const matches = [{ kind: 'comment', text: comment } as const];
  if (node.nodePortAddresses !== 'all')
    return node.nodePortAddresses.map(ip => ({ destination: { cidr: hostCidr(ip) }, matches, target }));
  const loopback = node.family === 'IPv4' ? '127.0.0.0/8' : '::1/128';
  const withLoopback = node.family === 'IPv4' && node.localhostNodePorts;
  return [
    {
      ...(withLoopback ? {} : { destination: { cidr: loopback, not: true } }),
      matches: [...matches, { kind: 'addressType', side: 'destination', type: 'LOCAL' }],
      target,
    },
  ];
}

/** Whether a chain is a branch by its name. */
export function isBranch(chain: string): boolean {
  return /^KUBE-(SERVICES|NODEPORTS|EXTERNAL|PROXY-FW)-([\d.]+|(TCP|UDP|SCTP)-\d+|[A-Z2-7]{14})$/.test(chain);
}
