/**
 * One service port as iptables rules: chains of its own in the nat table, and rules that it adds to branches of the shared chains.
 *
 * ```
 * KUBE-SERVICES  -d clusterIP ------------------> KUBE-SVC (or KUBE-SVL under policy Local)
 *                -d externalIP, load balancer --> [KUBE-FW ->] KUBE-EXT -> KUBE-SVC or KUBE-SVL
 * KUBE-NODEPORTS --dport nodePort --------------> KUBE-EXT
 * KUBE-SVC, KUBE-SVL  by chance ----------------> DNAT
 *                     by affinity, else by chance -> KUBE-SEP, which remembers the client -> DNAT
 * ```
 * A service port without endpoints has no chain; the filter table rejects its packets at once. One that has endpoints, but none here
 * under policy Local, is dropped: another node may answer.
 *
 * Differs: kube-proxy gives every endpoint a chain. Each change makes the kernel walk all chains and rules of the table, so a third of
 * them is worth three times the speed; see `Hairpin`. Nor does any rule carry a comment which only repeats what the way to it says.
 */
import { canonicalCidr } from '../../node-iptables/plan/address.ts';
import { onePort } from '../../node-iptables/plan/rule.ts';
import type { Match, Rule, Target } from '../../node-iptables/plan/rule.ts';
import { hostPort } from '../../../machinery/meta/host-port.ts';
import { hostCidr } from './address.ts';
import { endpointChain, serviceChains } from './chain-names.ts';
import { healthCheckRule } from './iptables-base.ts';
import type { Hairpin } from './iptables-base.ts';
import { addressBranch, portBranch } from './iptables-branches.ts';
import type { Branch, RootChain } from './iptables-branches.ts';
import type { EndpointModel, NodeModel, ServicePortModel } from './model.ts';

/** A rule that a service adds to a chain which others share. */
export interface SharedRule {
  readonly branch: Branch;
  readonly rule: Rule;
}

/** All rules of one service port. */
export interface ServiceRules {
  /** Chains of the nat table, whole. */
  readonly chains: Map<string, Rule[]>;
  readonly shared: SharedRule[];
}

const note = (text: string): Match => ({ kind: 'comment', text: text.slice(0, 255) });

export function computeServiceRules(port: ServicePortModel, node: NodeModel, hairpin: Hairpin): ServiceRules {
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
  const protocol = port.protocol === 'TCP' ? 'tcp' : port.protocol === 'UDP' ? 'udp' : 'sctp';
  const isAffine = port.affinitySeconds !== undefined;
  const usesEndpointChains = isAffine || hairpin === 'ruleAnEndpoint';

  // What clients inside the cluster use.
  if (port.clusterIP !== undefined) {
    if (internalEndpoints.length > 0) {
      shared.push(jump(internalChain, 'cluster IP', port.clusterIP));
    } else {
      shared.push(refuse('KUBE-SERVICES', port.clusterIP));
    }
  }
  // What clients outside use.
  for (const ip of externalAddresses) {
    const isLoadBalancer = !port.externalIPs.includes(ip);
    const guarded = isLoadBalancer && port.sourceRanges.length > 0;
    const what = isLoadBalancer ? 'loadbalancer IP' : 'external IP';
    if (hasAny) shared.push(jump(guarded ? names.firewall : names.external, what, ip));
    if (guarded && hasAny) {
      const rule = to(ip, port.port, 'traffic not accepted by the firewall', { kind: 'drop' });
      shared.push({ branch: addressBranch('filter', 'KUBE-PROXY-FIREWALL', ip), rule });
    }
    if (externalEndpoints.length === 0) shared.push(refuse('KUBE-EXTERNAL-SERVICES', ip));
  }
  if (port.nodePort !== undefined) {
    if (hasAny) {
      const rule = to(undefined, port.nodePort, 'node port', { kind: 'jump', chain: names.external });
      shared.push({ branch: portBranch('nat', 'KUBE-NODEPORTS', protocol, port.nodePort), rule });
    }
    if (externalEndpoints.length === 0) {
      const rule = to(undefined, port.nodePort, whyRefused(), refusal());
      shared.push({ branch: portBranch('filter', 'KUBE-EXTERNAL-NODEPORTS', protocol, port.nodePort), rule });
    }
  }
  if (externalLocal && port.healthCheckNodePort !== undefined) {
    shared.push({
      branch: portBranch('filter', 'KUBE-NODEPORTS', 'tcp', port.healthCheckNodePort),
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
        source: { cidr: canonicalCidr(range) },
        matches: [note(`${port.name} loadbalancer IP`)],
        target: { kind: 'jump', chain: names.external },
      })),
    );
  }
  if (isExternal) chains.set(names.external, externalRules());
  if (usesCluster) chains.set(names.cluster, balance(names.cluster, port.clusterEndpoints));
  if (usesLocal) chains.set(names.local, balance(names.local, port.localEndpoints));
  if (usesEndpointChains) {
    for (const endpoint of [...(usesCluster ? port.clusterEndpoints : []), ...(usesLocal ? port.localEndpoints : [])]) {
      const chain = endpointChain(port, endpoint);
      if (!chains.has(chain)) chains.set(chain, endpointRules(chain, endpoint));
    }
  }
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
      // Port and protocol brought the packet here; the address tells it from what came to an external one.
      rules.push({
        source: { cidr: node.clusterCIDR, not: true },
        destination: { cidr: hostCidr(port.clusterIP) },
        target: { kind: 'jump', chain: 'KUBE-MARK-MASQ' },
      });
    }
    if (port.affinitySeconds !== undefined) {
      for (const endpoint of endpoints) {
        const name = endpointChain(port, endpoint);
        rules.push({
          matches: [{ kind: 'recent', action: 'rcheck', seconds: port.affinitySeconds, reap: true, name }],
          target: { kind: 'jump', chain: name },
        });
      }
    }
    endpoints.forEach((endpoint, i) => {
      const left = endpoints.length - i;
      const matches: Match[] = left > 1 ? [{ kind: 'random', probability: 1 / left }] : [];
      rules.push(
        usesEndpointChains
          ? {
              matches: [note(`${port.name} -> ${hostPort(endpoint.ip, endpoint.port)}`), ...matches],
              target: { kind: 'jump', chain: endpointChain(port, endpoint) },
            }
          : { protocol, matches, target: { kind: 'dnat', to: hostPort(endpoint.ip, endpoint.port) } },
      );
    });
    return rules;
  }

  function endpointRules(chain: string, endpoint: EndpointModel): Rule[] {
    const remember: Match[] = isAffine ? [{ kind: 'recent', action: 'set', name: chain }] : [];
    const dnat: Rule = {
      protocol,
      matches: remember,
      target: { kind: 'dnat', to: hostPort(endpoint.ip, endpoint.port) },
    };
    if (hairpin === 'oneRule') return [dnat];
    return [{ source: { cidr: hostCidr(endpoint.ip) }, target: { kind: 'jump', chain: 'KUBE-MARK-MASQ' } }, dnat];
  }

  function jump(chain: string, what: string, ip: string): SharedRule {
    return {
      branch: addressBranch('nat', 'KUBE-SERVICES', ip),
      rule: to(ip, port.port, what, { kind: 'jump', chain }),
    };
  }

  function refuse(root: RootChain, ip: string): SharedRule {
    return { branch: addressBranch('filter', root, ip), rule: to(ip, port.port, whyRefused(), refusal()) };
  }

  function whyRefused(): string {
    return hasAny ? 'has no local endpoints' : 'has no endpoints';
  }

  function refusal(): Target {
    if (hasAny) return { kind: 'drop' };
    // The kernel sends one peer few ICMP errors a second; a reset reaches every client.
    if (protocol === 'tcp') return { kind: 'reject', with: 'tcp-reset' };
    return { kind: 'reject', with: node.family === 'IPv4' ? 'icmp-port-unreachable' : 'icmp6-port-unreachable' };
  }

  /** What happens to packets for a port of an address, or of all addresses that come so far. */
  function to(ip: string | undefined, dport: number, comment: string, target: Target): Rule {
    return {
      ...(ip === undefined ? {} : { destination: { cidr: hostCidr(ip) } }),
      protocol,
      matches: [note(`${port.name} ${comment}`), { kind: 'port', protocol, destination: onePort(dport) }],
      target,
    };
  }
}
