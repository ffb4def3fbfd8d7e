/**
 * The rules in iptables' and ipset's language, and the order in which they are written so that no packet that is forbidden before and after
 * passes in between.
 *
 * ```
 * mangle/FORWARD -> K8TS-POL-FORWARD: replies, related, neighbour discovery pass; a pod may talk to itself;
 *                   source in k8ts-pod-e… -> chain of that egress; destination in k8ts-pod-i… -> chain of that ingress
 * mangle/INPUT   -> K8TS-POL-INPUT: destination is cluster DNS: the same for the source
 * chain: a rule for each thing let through (RETURN), then DROP
 * ```
 * They stand in `mangle`, which sees packets before `filter` does: what others accept there, first or not, was judged already.
 *
 * Sets have no transactions; the order makes up for it. First goes what shall pass no more, then pods get the chains that they lack (who has
 * two must pass both), then comes what shall pass from now on, and at last pods leave the chains that they had. So whatever passes on the
 * way passed before or will pass after.
 */
import type { IpFamily } from '../../../machinery/meta/ip-number.ts';
import type { Match, Rule, Target } from '../../node-iptables/plan/rule.ts';
import type { AllowRule, PolicyChain, PortRange, Protocol } from './model.ts';

/** The chains that hold all others together. */
export const FORWARD_CHAIN = 'K8TS-POL-FORWARD';
export const INPUT_CHAIN = 'K8TS-POL-INPUT';
const SELF_CHAIN = 'K8TS-POL-SELF';

/** Jumps from the kernel's own chains. */
export const HOOKS: readonly { readonly chain: string; readonly rule: Rule }[] = [
  { chain: 'FORWARD', rule: hook(FORWARD_CHAIN) },
  { chain: 'INPUT', rule: hook(INPUT_CHAIN) },
];

/** The iptables chain of a policy chain. */
export function chainName(name: string): string {
  return `K8TS-POL-${name}`;
}

/** Whether a chain of iptables is one of ours. */
export function isOwnChain(name: string): boolean {
  return name.startsWith('K8TS-POL-');
}

/** The set of addresses whose pods have that chain. */
export function podSet(chain: string): string {
  return `k8ts-pod-${chain}`;
}

/** The set that rules look into. */
export function ruleSet(name: string): string {
  return `k8ts-pol-${name}`;
}

export function answeredSet(family: IpFamily): string {
  return `k8ts-answered${family === 'IPv4' ? '4' : '6'}`;
}

/** The rules of one policy chain. */
export function chainRules({ direction, rules }: PolicyChain): Rule[] {
  const side = direction === 'ingress' ? 'src' : 'dst';
  return [
    ...rules.flatMap(rule => allowRules(rule, side).map(part => ({ ...part, target: RETURN }))),
    { target: { kind: 'drop' } },
  ];
}

/** The rules of the chains that hold all others together, where pods of these chains are. */
export function sharedChains(
  family: IpFamily,
  chains: readonly string[],
  isolated: readonly string[],
): Map<string, Rule[]> {
  const names = [...chains].sort();
  // Egress (e) comes before ingress (i), as a packet goes.
  const egress = names.filter(name => name.startsWith('e')).map(name => jump(name, 'src'));
  const ingress = names.filter(name => name.startsWith('i')).map(name => jump(name, 'dst'));
  return new Map([
    [
      FORWARD_CHAIN,
      [
        { matches: [{ kind: 'state', states: ['RELATED'] }], target: RETURN },
        replies,
        ...(family === 'IPv6' ? neighbours : []),
        { matches: [{ kind: 'state', states: ['DNAT'] }], target: { kind: 'jump', chain: SELF_CHAIN } },
        ...egress,
        ...ingress,
      ],
    ],
    [INPUT_CHAIN, [replies, notAnswered(family), ...egress]],
    // A packet comes back to the pod that sent it only by way of a service.
    [SELF_CHAIN, [...isolated].sort().map(address => selfRule(address, family))],
  ]);
}

const RETURN: Target = { kind: 'return' };

// Only the direction of who opened a connection is judged, packet by packet: a policy that comes later holds for what is open.
const replies: Rule = {
  matches: [{ kind: 'other', module: 'conntrack', args: ['--ctstate', 'ESTABLISHED', '--ctdir', 'REPLY'] }],
  target: RETURN,
};

const neighbours: readonly Rule[] = [
  ...[133, 134, 135, 136, 137].map(type => ({
    protocol: 'ipv6-icmp',
    matches: [{ kind: 'other', module: 'icmp6', args: ['--icmpv6-type', String(type)] }] satisfies Match[],
    target: RETURN,
  })),
  // Addresses of a link are nobody's by policy: pods of one bridge would meet there unseen.
  { destination: { cidr: 'fe80::/10' }, target: { kind: 'drop' } },
  { source: { cidr: 'fe80::/10' }, destination: { cidr: 'ff00::/8', not: true }, target: { kind: 'drop' } },
];

function notAnswered(family: IpFamily): Rule {
  return { matches: [{ kind: 'set', name: answeredSet(family), flags: 'dst', not: true }], target: RETURN };
}

function selfRule(address: string, family: IpFamily): Rule {
  const cidr = `${address}/${family === 'IPv4' ? 32 : 128}`;
  return { source: { cidr }, destination: { cidr }, target: { kind: 'accept' } };
}

function jump(chain: string, side: 'src' | 'dst'): Rule {
  return { matches: [inSet(podSet(chain), side)], target: { kind: 'jump', chain: chainName(chain) } };
}

function allowRules({ peer, port }: AllowRule, side: 'src' | 'dst'): Rule[] {
  const from: Match[] = peer.kind === 'any' ? [] : [inSet(ruleSet(peer.set), side)];
  switch (port.kind) {
    case 'any':
      return [{ matches: from }];
    case 'ranges':
      return port.ranges.map(range => portRule(from, port.protocol, range));
    case 'named':
      return [{ matches: [...from, inSet(ruleSet(port.set), 'dst,dst')] }];
  }
}

function portRule(from: readonly Match[], protocol: Protocol, range: PortRange): Rule {
  const name = protocol.toLowerCase() as 'tcp' | 'udp' | 'sctp';
  return { protocol: name, matches: [...from, { kind: 'port', protocol: name, destination: range }] };
}

function inSet(name: string, flags: string): Match {
  return { kind: 'set', name, flags };
}

function hook(chain: string): Rule {
  return {
    matches: [{ kind: 'comment', text: 'k8ts network policy' }],
    target: { kind: 'jump', chain },
  };
}
