/**
 * One service port as iptables rules: chains of its own in the nat table, and rules that it adds to shared chains.
 *
 * ```
 * KUBE-SERVICES  -d clusterIP ------------------> KUBE-SVC (or KUBE-SVL under policy Local)
 *                -d externalIP, load balancer --> [KUBE-FW ->] KUBE-EXT -> KUBE-SVC or KUBE-SVL
 * KUBE-NODEPORTS --dport nodePort --------------> KUBE-EXT
 * KUBE-SVC, KUBE-SVL  by affinity, else by chance -> KUBE-SEP -> DNAT
 * ```
 * A service port without endpoints has no chain; the filter table rejects its packets at once. One that has endpoints, but none here
 * under policy Local, is dropped: another node may answer.
 */
import { onePort } from '../../node-iptables/plan/rule.ts';
import type { Match, Rule } from '../../node-iptables/plan/rule.ts';
import { hostPort } from '../../../machinery/meta/host-port.ts';
import { hostCidr } from './address.ts';
import { endpointChain, serviceChains } from './chain-names.ts';
import { healthCheckRule } from './iptables-base.ts';
import type { ProxyTable } from './iptables-base.ts';
import type { EndpointModel, NodeModel, ServicePortModel } from './model.ts';

/** A rule that a service adds to a chain which all services share. */
export interface SharedRule {
  readonly table: ProxyTable;
  readonly chain: string;
  readonly rule: Rule;
}

/** All rules of one service port. */
export interface ServiceRules {
  /** Chains of the nat table, whole. */
  readonly chains: Map<string, Rule[]>;
  readonly shared: SharedRule[];
}

const note = (text: string): Match => ({ kind: 'comment', text: text.slice(0, 255) });

export function computeServiceRules(port: ServicePortModel, node: NodeModel): ServiceRules {
  const chains = new Map<string, Rule[]>();
  const shared: SharedRule[] = [];
  const names = serviceChains(port);
  const externalAddresses = [...port.externalIPs, ...port.loadBalancerIPs];
  const isExternal = externalAddresses.length > 0 || port.nodePort !== undefined;
  const internalLocal = port.internalPolicy === 'Local';
  const externalLocal = port.externalPolicy === 'Local';
  const internalEndpoints = internalLocal ? port.localEndpoints : port.clusterEndpoints;
  const externalEndpoints = externalLocal ? port.localEndpoints : port.clusterEndpoints;
  const hasAny = port.clusterEndpoints.length > 0 || port.localEndpoints.length > 0;
  const internalChain = internalLocal ? names.local : names.cluster;

  // What clients inside the cluster use.
  if (port.clusterIP !== undefined) {
    if (internalEndpoints.length > 0) {
      shared.push(jumpTo('KUBE-SERVICES', internalChain, 'cluster IP', port.clusterIP));
    } else {
      shared.push(refuse('KUBE-SERVICES', hasAny ? 'has no local endpoints' : 'has no endpoints', port.clusterIP));
    }
  }
  // What clients outside use.
  for (const ip of externalAddresses) {
    const isLoadBalancer = !port.externalIPs.includes(ip);
    const guarded = isLoadBalancer && port.sourceRanges.length > 0;
    const what = isLoadBalancer ? 'loadbalancer IP' : 'external IP';
    if (hasAny) shared.push(jumpTo('KUBE-SERVICES', guarded ? names.firewall : names.external, what, ip));
    if (guarded && hasAny) shared.push(drop('KUBE-PROXY-FIREWALL', 'traffic not accepted by the firewall', ip));
    if (externalEndpoints.length === 0) shared.push(refuseExternal(ip));
  }
  if (port.nodePort !== undefined) {
    if (hasAny) shared.push(jumpTo('KUBE-NODEPORTS', names.external, 'node port', undefined, port.nodePort));
    if (externalEndpoints.length === 0) shared.push(refuseExternal(undefined, port.nodePort));
  }
  if (externalLocal && port.healthCheckNodePort !== undefined) {
    shared.push({
      table: 'filter',
      chain: 'KUBE-NODEPORTS',
      rule: healthCheckRule(port.name, port.healthCheckNodePort),
    });
  }
  if (!hasAny) return { chains, shared };

  const usesCluster = (!internalLocal || isExternal) && port.clusterEndpoints.length > 0;
  const usesLocal = (internalLocal || (externalLocal && isExternal)) && port.localEndpoints.length > 0;
  if (port.loadBalancerIPs.length > 0 && port.sourceRanges.length > 0) {
    chains.set(
      names.firewall,
      port.sourceRanges.map(range => ({
        source: { cidr: range },
        matches: [note(`${port.name} loadbalancer IP`)],
        target: { kind: 'jump', chain: names.external },
      })),
    );
  }
  if (isExternal) chains.set(names.external, externalRules());
  if (usesCluster) chains.set(names.cluster, balance(names.cluster, port.clusterEndpoints));
  if (usesLocal) chains.set(names.local, balance(names.local, port.localEndpoints));
  const used = new Map(
    [...(usesCluster ? port.clusterEndpoints : []), ...(usesLocal ? port.localEndpoints : [])].map(e => [
      endpointChain(port, e),
      e,
    ]),
  );
  for (const [chain, endpoint] of used) chains.set(chain, endpointRules(chain, endpoint));
  return { chains, shared };

  function externalRules(): Rule[] {
    const rules: Rule[] = [];
    if (externalLocal) {
      if (node.clusterCIDR !== undefined && usesCluster) {
        rules.push({
          source: { cidr: node.clusterCIDR },
          matches: [note(`pod traffic for ${port.name} external destinations`)],
          target: { kind: 'jump', chain: names.cluster },
        });
      }
      const fromHere: Match = { kind: 'addressType', side: 'source', type: 'LOCAL' };
      if (usesCluster) {
        rules.push(
          {
            matches: [note(`masquerade LOCAL traffic for ${port.name} external destinations`), fromHere],
            target: { kind: 'jump', chain: 'KUBE-MARK-MASQ' },
          },
          {
            matches: [note(`route LOCAL traffic for ${port.name} external destinations`), fromHere],
            target: { kind: 'jump', chain: names.cluster },
          },
        );
      }
      if (usesLocal) rules.push({ target: { kind: 'jump', chain: names.local } });
      return rules;
    }
    rules.push({
      matches: [note(`masquerade traffic for ${port.name} external destinations`)],
      target: { kind: 'jump', chain: 'KUBE-MARK-MASQ' },
    });
    if (usesCluster) rules.push({ target: { kind: 'jump', chain: names.cluster } });
    return rules;
  }

  function balance(chain: string, endpoints: readonly EndpointModel[]): Rule[] {
    const rules: Rule[] = [];
    if (chain === internalChain && port.clusterIP !== undefined && node.clusterCIDR !== undefined) {
      rules.push({
        source: { cidr: node.clusterCIDR, not: true },
        ...to(port.clusterIP, port.port, `${port.name} cluster IP`),
        target: { kind: 'jump', chain: 'KUBE-MARK-MASQ' },
      });
    }
    const targets = endpoints.map(endpoint => ({ endpoint, chain: endpointChain(port, endpoint) }));
    if (port.affinitySeconds !== undefined) {
      for (const { endpoint, chain: sep } of targets) {
        rules.push({
          matches: [
            note(`${port.name} -> ${hostPort(endpoint.ip, endpoint.port)}`),
            { kind: 'recent', action: 'rcheck', seconds: port.affinitySeconds, reap: true, name: sep },
          ],
          target: { kind: 'jump', chain: sep },
        });
      }
    }
    targets.forEach(({ endpoint, chain: sep }, i) => {
      const left = targets.length - i;
      rules.push({
        matches: [
          note(`${port.name} -> ${hostPort(endpoint.ip, endpoint.port)}`),
          ...(left > 1 ? [{ kind: 'random', probability: 1 / left } as const] : []),
        ],
        target: { kind: 'jump', chain: sep },
      });
    });
    return rules;
  }

  function endpointRules(chain: string, endpoint: EndpointModel): Rule[] {
    const protocol = transport();
    const remember: Match[] =
      port.affinitySeconds === undefined ? [] : [{ kind: 'recent', action: 'set', name: chain }];
    return [
      // A pod that reaches itself through its service must see an answer from the service's address.
      {
        source: { cidr: hostCidr(endpoint.ip) },
        matches: [note(port.name)],
        target: { kind: 'jump', chain: 'KUBE-MARK-MASQ' },
      },
      {
        protocol,
        matches: [note(port.name), ...remember, { kind: 'port', protocol }],
        target: { kind: 'dnat', to: hostPort(endpoint.ip, endpoint.port) },
      },
    ];
  }

  function jumpTo(chain: string, target: string, what: string, ip: string | undefined, dport = port.port): SharedRule {
    return {
      table: 'nat',
      chain,
      rule: {
        ...to(ip, dport, `${port.name} ${what}`, chain === 'KUBE-NODEPORTS'),
        target: { kind: 'jump', chain: target },
      },
    };
  }

  function refuse(chain: string, why: string, ip: string | undefined, dport = port.port): SharedRule {
    if (hasAny) return drop(chain, why, ip, dport);
    const answer = node.family === 'IPv4' ? 'icmp-port-unreachable' : 'icmp6-port-unreachable';
    return {
      table: 'filter',
      chain,
      rule: { ...to(ip, dport, `${port.name} ${why}`), target: { kind: 'reject', with: answer } },
    };
  }

  function refuseExternal(ip: string | undefined, dport = port.port): SharedRule {
    return refuse('KUBE-EXTERNAL-SERVICES', hasAny ? 'has no local endpoints' : 'has no endpoints', ip, dport);
  }

  function drop(chain: string, why: string, ip: string | undefined, dport = port.port): SharedRule {
    return { table: 'filter', chain, rule: { ...to(ip, dport, `${port.name} ${why}`), target: { kind: 'drop' } } };
  }

  /** Packets to an address and port; without an address to any of the node's own, unless the chain is for those alone. */
  function to(ip: string | undefined, dport: number, comment: string, isNodeChain = false): Rule {
    const protocol = transport();
    const local: Match[] =
      ip === undefined && !isNodeChain ? [{ kind: 'addressType', side: 'destination', type: 'LOCAL' }] : [];
    return {
      ...(ip === undefined ? {} : { destination: { cidr: hostCidr(ip) } }),
      protocol,
      matches: [note(comment), ...local, { kind: 'port', protocol, destination: onePort(dport) }],
    };
  }

  function transport(): 'tcp' | 'udp' | 'sctp' {
    return port.protocol === 'TCP' ? 'tcp' : port.protocol === 'UDP' ? 'udp' : 'sctp';
  }
}
