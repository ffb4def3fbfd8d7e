/**
 * The pod network's rules for nftables: a table of our own for each family, which masquerades what leaves the cluster and leads host
 * ports to their pods.
 *
 * - Forwarding needs no rule: where nobody drops, all is forwarded. An `accept` here could not answer a chain of somebody else that drops.
 * - The proxy's chains come first (priority `dstnat` and `srcnat`), ours after them.
 * - What is led to a host port from a pod of this node, or from the node by a loopback address, is masqueraded: answers would otherwise
 *   not come back this way. Its mark is the one that portmap uses for the same.
 */
import type { NftChange, NftCommand } from '../../node-iptables/plan/nft.ts';
import { MULTICAST, isEmptyModel, type PodHostPort, type RuleModel } from './rule-model.ts';

export const NETWORK_TABLE = 'k8ts-network';

const HOST_PORT_MARK = '0x2000';
const LOOPBACK = '127.0.0.0/8';

/** The table written anew, in one transaction; taken away if no rule is needed. */
export function nftablesRules(model: RuleModel): NftChange {
  const family = model.family === 'ipv4' ? 'ip' : 'ip6';
  const commands: NftCommand[] = [{ kind: 'removeTable' }];
  if (!isEmptyModel(model)) commands.push(...tableCommands(model, family));
  return { family, table: NETWORK_TABLE, commands };
}

function tableCommands(model: RuleModel, ip: 'ip' | 'ip6'): NftCommand[] {
  const hook = (chain: 'prerouting' | 'output' | 'postrouting', priority: number): NftCommand => ({
    kind: 'addChain',
    chain,
    hook: { type: 'nat', hook: chain, priority },
  });
  // Cluster DNS is not to be taken over by a pod with its port.
  const held = model.localServiceIPs.length === 0 ? '' : `${ip} daddr != { ${model.localServiceIPs.join(', ')} } `;
  const toHostPorts = (chain: string): NftCommand => ({
    kind: 'addRule',
    chain,
    statement: `${held}fib daddr type local jump host-ports`,
  });
  const masquerade = (statement: string, comment: string): NftCommand => ({
    kind: 'addRule',
    chain: 'postrouting',
    statement: `${statement} masquerade fully-random`,
    comment,
  });
  const cluster = [...model.clusterCIDRs, MULTICAST[model.family]].join(', ');
  const { podCIDR } = model;
  return [
    { kind: 'addTable' },
    { kind: 'addChain', chain: 'host-ports' },
    hook('prerouting', -95),
    hook('output', -95),
    hook('postrouting', 105),
    toHostPorts('prerouting'),
    toHostPorts('output'),
    // A port of one address of the node before the same port of all.
    ...[...model.hostPorts]
      .sort((a, b) => Number(a.hostIP === '') - Number(b.hostIP === ''))
      .flatMap(port => hostPortRules(port, podCIDR, ip)),
    masquerade(`meta mark & ${HOST_PORT_MARK} == ${HOST_PORT_MARK}`, 'host port of a pod here'),
    ...(podCIDR === undefined
      ? []
      : [masquerade(`${ip} saddr ${podCIDR} ${ip} daddr != { ${cluster} }`, 'what leaves the cluster')]),
  ];
}

function hostPortRules(port: PodHostPort, podCIDR: string | undefined, ip: 'ip' | 'ip6'): NftCommand[] {
  const { protocol, hostPort, containerPort, hostIP, podIP } = port;
  const to = hostIP === '' ? '' : `${ip} daddr ${hostIP} `;
  const match = `${to}${protocol} dport ${hostPort}`;
  const near = [...(podCIDR === undefined ? [] : [podCIDR]), ...(ip === 'ip' ? [LOOPBACK] : [])].join(', ');
  const target = ip === 'ip' ? `${podIP}:${containerPort}` : `[${podIP}]:${containerPort}`;
  const rule = (statement: string): NftCommand => ({ kind: 'addRule', chain: 'host-ports', statement });
  return [
    ...(near === '' ? [] : [rule(`${match} ${ip} saddr { ${near} } meta mark set meta mark | ${HOST_PORT_MARK}`)]),
    rule(`${match} dnat to ${target}`),
  ];
}
