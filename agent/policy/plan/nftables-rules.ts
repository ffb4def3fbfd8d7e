/**
 * The rules in nftables' language: one table of both families, made whole or changed in one transaction.
 *
 * ```
 * hook forward: replies, related, neighbour discovery pass; a pod may talk to itself;
 *               source address -> chain of its egress -> destination address -> chain of its ingress
 * hook input:   destination is cluster DNS: source address -> chain of its egress
 * chain of a direction: a rule for each thing let through (return), then drop
 * ```
 * What is dropped here is dropped whatever other tables say; what passes is still theirs to judge.
 */
import type { IpFamily } from '../../../machinery/meta/ip-number.ts';
import type { NftCommand } from '../../node-iptables/plan/nft.ts';
import type { NftSetSpec } from '../../node-iptables/plan/nft-set.ts';
import { familyOfAddress } from './model.ts';
import type {
  AllowRule,
  Direction,
  PodChange,
  PodChains,
  PolicyChain,
  PolicyChange,
  PolicyModel,
  PolicySet,
  PortMatch,
  SetContent,
} from './model.ts';

/** Base chains and what stands in them, in order. */
export const BASE_CHAINS: readonly {
  readonly chain: string;
  readonly hook: 'forward' | 'input';
  readonly rules: readonly string[];
}[] = [
  {
    chain: 'forward',
    hook: 'forward',
    rules: [
      'ct state related accept',
      // Only the direction of who opened a connection is judged, packet by packet: a policy that comes later holds for what is open.
      'ct direction reply ct state established accept',
      'icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, nd-redirect } accept',
      // Addresses of a link are nobody's by policy: pods of one bridge would meet there unseen.
      'ip6 daddr fe80::/10 drop',
      'ip6 saddr fe80::/10 ip6 daddr != ff00::/8 drop',
      ...families(d => [
        `${ip(d)} saddr . ${ip(d)} daddr @self${d} accept`,
        `${ip(d)} saddr vmap @egress${d}`,
        `${ip(d)} daddr vmap @ingress${d}`,
      ]),
    ],
  },
  {
    chain: 'input',
    hook: 'input',
    rules: [
      'ct direction reply ct state established accept',
      ...families(d => [`${ip(d)} daddr @answered${d} ${ip(d)} saddr vmap @egress${d}`]),
    ],
  },
];

/** The whole table, in place of the one that is there. */
export function nftablesModel(model: PolicyModel): NftCommand[] {
  const pods = [...model.pods].map(([address, after]) => ({ address, before: {}, after }));
  return [
    { kind: 'removeTable' },
    { kind: 'addTable', comment: 'NetworkPolicies of Kubernetes; written by k8ts' },
    ...families(d => baseSets(d)),
    ...model.sets.flatMap(addSet),
    ...model.chains.flatMap(addChain),
    ...families(d => [
      elements(
        'addElements',
        `answered${d}`,
        model.answered.filter(a => digitOf(a) === d),
      ),
    ]).flat(),
    ...podElements(pods),
    ...BASE_CHAINS.flatMap(({ chain, hook, rules }): NftCommand[] => [
      { kind: 'addChain', chain, hook: { type: 'filter', hook, priority: 'filter - 10' } },
      ...rules.map(statement => ({ kind: 'addRule', chain, statement }) as const),
    ]),
  ];
}

/** A difference. */
export function nftablesChange(change: PolicyChange): NftCommand[] {
  return [
    ...change.addSets.flatMap(addSet),
    ...change.changeSets.flatMap(({ name, content, add, remove }) => [
      ...elements(
        'deleteElements',
        name,
        remove.map(element => elementText(content, element)),
      ),
      ...elements(
        'addElements',
        name,
        add.map(element => elementText(content, element)),
      ),
    ]),
    ...change.addChains.flatMap(addChain),
    ...podElements(change.pods),
    ...change.removeChains.map(({ name }) => ({ kind: 'deleteChain', chain: name }) as const),
    ...change.removeSets.map(({ name }) => ({ kind: 'deleteSet', name }) as const),
  ];
}

function baseSets(d: Digit): NftCommand[] {
  const type = `ipv${d}_addr`;
  return [
    { kind: 'addMap', name: `egress${d}`, type: `${type} : verdict` },
    { kind: 'addMap', name: `ingress${d}`, type: `${type} : verdict` },
    { kind: 'addSet', name: `self${d}`, type: `${type} . ${type}` },
    { kind: 'addSet', name: `answered${d}`, type },
  ];
}

function addSet({ name, family, content, elements: members }: PolicySet): NftCommand[] {
  const texts = Array.from(members, element => elementText(content, element));
  return [{ kind: 'addSet', name, ...setSpec(family, content) }, ...elements('addElements', name, texts)];
}

function setSpec(family: IpFamily, content: SetContent): NftSetSpec {
  const type = family === 'IPv4' ? 'ipv4_addr' : 'ipv6_addr';
  switch (content) {
    case 'addresses':
      return { type };
    case 'networks':
      return { type, flags: ['interval'] };
    case 'namedPorts':
      return { type: `${type} . inet_proto . inet_service` };
  }
}

function elementText(content: SetContent, element: string): string {
  return content === 'namedPorts' ? element.toLowerCase().split(' ').join(' . ') : element;
}

function addChain({ name, direction, family, rules }: PolicyChain): NftCommand[] {
  return [
    { kind: 'addChain', chain: name },
    ...rules.map(rule => ({ kind: 'addRule', chain: name, statement: statement(rule, direction, family) }) as const),
    { kind: 'addRule', chain: name, statement: 'counter drop' },
  ];
}

function statement({ peer, port }: AllowRule, direction: Direction, family: IpFamily): string {
  const proto = family === 'IPv4' ? 'ip' : 'ip6';
  const peerText = peer.kind === 'any' ? '' : `${proto} ${direction === 'ingress' ? 'saddr' : 'daddr'} @${peer.set} `;
  return `${peerText}${portText(port, proto)}return`;
}

function portText(port: PortMatch, proto: 'ip' | 'ip6'): string {
  switch (port.kind) {
    case 'any':
      return '';
    case 'ranges': {
      const ranges = port.ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`));
      return `${port.protocol.toLowerCase()} dport { ${ranges.join(', ')} } `;
    }
    case 'named':
      return `${proto} daddr . meta l4proto . th dport @${port.set} `;
  }
}

function podElements(pods: readonly PodChange[]): NftCommand[] {
  return families(d => {
    const own = pods.filter(({ address }) => digitOf(address) === d);
    const verdicts = (direction: Direction): NftCommand[] => {
      const changed = own.filter(({ before, after }) => before[direction] !== after[direction]);
      const keys = changed.filter(({ before }) => before[direction] !== undefined).map(({ address }) => address);
      const values = changed.flatMap(({ address, after }) =>
        after[direction] === undefined ? [] : [`${address} : jump ${after[direction]}`],
      );
      return [
        ...elements('deleteElements', `${direction}${d}`, keys),
        ...elements('addElements', `${direction}${d}`, values),
      ];
    };
    const pair = ({ address }: PodChange): string => `${address} . ${address}`;
    const gone = own.filter(({ before, after }) => isIsolated(before) && !isIsolated(after));
    const fresh = own.filter(({ before, after }) => !isIsolated(before) && isIsolated(after));
    return [
      ...verdicts('egress'),
      ...verdicts('ingress'),
      ...elements('deleteElements', `self${d}`, gone.map(pair)),
      ...elements('addElements', `self${d}`, fresh.map(pair)),
    ];
  });
}

function isIsolated({ ingress, egress }: PodChains): boolean {
  return ingress !== undefined || egress !== undefined;
}

function elements(kind: 'addElements' | 'deleteElements', set: string, list: readonly string[]): NftCommand[] {
  return list.length === 0 ? [] : [{ kind, set, elements: list }];
}

type Digit = '4' | '6';

function families<T>(of: (digit: Digit) => readonly T[]): T[] {
  return [...of('4'), ...of('6')];
}

function ip(digit: Digit): 'ip' | 'ip6' {
  return digit === '4' ? 'ip' : 'ip6';
}

function digitOf(address: string): Digit {
  return familyOfAddress(address) === 'IPv4' ? '4' : '6';
}
