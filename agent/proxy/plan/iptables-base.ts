/**
 * The rules that stand whatever services there are: marks, masquerading, what is forwarded, and the jumps from the kernel's chains into ours.
 * Source: kube-proxy's iptables back end; chain names and their meaning are what firewall tools and people rely on.
 */
import { onePort, orMark, xorMark } from '../../node-iptables/plan/rule.ts';
import type { Family, Match, Rule, TableName } from '../../node-iptables/plan/rule.ts';
import type { AddressFamily } from './address.ts';
import type { NodeModel } from './model.ts';

/** Tables that hold our rules. */
export const PROXY_TABLES = ['nat', 'filter'] as const;

export type ProxyTable = (typeof PROXY_TABLES)[number];

/** Holds what the table's other chains add up to: whoever brings back rules of an earlier time brings back another sum. */
export const CANARY_CHAIN = 'KUBE-PROXY-CANARY';

/** Chains whose rules never depend on services. */
export const BASE_CHAINS: Record<ProxyTable, readonly string[]> = {
  nat: ['KUBE-MARK-MASQ', 'KUBE-POSTROUTING', CANARY_CHAIN],
  filter: ['KUBE-FORWARD', 'KUBE-FIREWALL', CANARY_CHAIN],
};

/**
 * How a pod that reaches itself through its service is masqueraded, as it must be to see an answer from the service's address.
 *
 * - `oneRule`: a rule for all services compares the packet's addresses (xt_bpf). Then endpoints need no chains of their own.
 * - `ruleAnEndpoint`: for kernels without xt_bpf; what kube-proxy does.
 */
export type Hairpin = 'oneRule' | 'ruleAnEndpoint';

const note = (text: string): Match => ({ kind: 'comment', text });
const isNew: Match = { kind: 'state', states: ['NEW'] };

export function iptablesFamily(family: AddressFamily): Family {
  return family === 'IPv4' ? 'ipv4' : 'ipv6';
}

/** `BASE_CHAINS` with their rules, without the canary. */
export function baseChains(table: ProxyTable, node: NodeModel, hairpin: Hairpin): Map<string, Rule[]> {
  const mark = 2 ** node.masqueradeBit;
  const marked = (not: boolean): Match => ({ kind: 'mark', value: mark, mask: mark, ...(not ? { not: true } : {}) });
  if (table === 'nat') {
    return new Map<string, Rule[]>([
      ['KUBE-MARK-MASQ', [{ target: orMark(mark) }]],
      [
        'KUBE-POSTROUTING',
        [
          ...(hairpin === 'oneRule' ? [hairpinRule(node.family)] : []),
          { matches: [marked(true)], target: { kind: 'return' } },
          // Cleared first: a packet that passes the stack twice must not be masqueraded twice.
          { target: xorMark(mark) },
          {
            matches: [note('kubernetes service traffic requiring SNAT')],
            target: { kind: 'masquerade', randomFully: true },
          },
        ],
      ],
    ]);
  }
  return new Map<string, Rule[]>([
    [
      'KUBE-FORWARD',
      [
        { matches: [{ kind: 'state', states: ['INVALID'] }], target: { kind: 'drop' } },
        { matches: [note('kubernetes forwarding rules'), marked(false)], target: { kind: 'accept' } },
        {
          matches: [
            note('kubernetes forwarding conntrack rule'),
            { kind: 'state', states: ['RELATED', 'ESTABLISHED'] },
          ],
          target: { kind: 'accept' },
        },
      ],
    ],
    ['KUBE-FIREWALL', guardsLoopback(node) ? [blockIncomingLocalnet] : []],
  ]);
}

function hairpinRule(family: AddressFamily): Rule {
  return {
    matches: [
      { kind: 'state', states: ['DNAT'] },
      { kind: 'other', module: 'bpf', args: ['--bytecode', sourceIsDestination(family)] },
      note('a pod that reaches itself through its service'),
    ],
    target: { kind: 'jump', chain: 'KUBE-MARK-MASQ' },
  };
}

/**
 * A program of the classic packet filter: 65535 if the source address is the destination address, else 0. Each instruction is
 * `code jumpIfTrue jumpIfFalse operand`. Source: linux/filter.h.
 */
function sourceIsDestination(family: AddressFamily): string {
  const [source, destination, words] = family === 'IPv4' ? [12, 16, 1] : [8, 24, 4];
  const load = 0x20;
  const copyToX = 0x07;
  const jumpIfEqualToX = 0x1d;
  const end = 0x06;
  const program = Array.from({ length: words }, (_, word) => [
    `${load} 0 0 ${source + 4 * word}`,
    `${copyToX} 0 0 0`,
    `${load} 0 0 ${destination + 4 * word}`,
    // From the last comparison it is one instruction to the end that says no, and 4 more from each before.
    `${jumpIfEqualToX} 0 ${1 + 4 * (words - 1 - word)} 0`,
  ]).flat();
  program.push(`${end} 0 0 65535`, `${end} 0 0 0`);
  return `${program.length},${program.join(',')}`;
}

// route_localnet lets neighbours on the same network reach 127.0.0.1; this takes that back.
const blockIncomingLocalnet: Rule = {
  source: { cidr: '127.0.0.0/8', not: true },
  destination: { cidr: '127.0.0.0/8' },
  matches: [
    note('block incoming localnet connections'),
    { kind: 'state', states: ['RELATED', 'ESTABLISHED', 'DNAT'], not: true },
  ],
  target: { kind: 'drop' },
};

function guardsLoopback(node: NodeModel): boolean {
  return node.family === 'IPv4' && node.localhostNodePorts;
}

/** A jump from one of the kernel's chains into one of ours. */
export interface Hook {
  readonly table: TableName;
  readonly chain: string;
  readonly rule: Rule;
}

/** In the order in which they are inserted at the head, so the last of a chain comes to stand first. */
export function hooks(table: ProxyTable): readonly Hook[] {
  return HOOKS.filter(hook => hook.table === table);
}

const HOOKS: readonly Hook[] = [
  hook('nat', 'PREROUTING', 'KUBE-SERVICES', 'kubernetes service portals'),
  hook('nat', 'OUTPUT', 'KUBE-SERVICES', 'kubernetes service portals'),
  hook('nat', 'POSTROUTING', 'KUBE-POSTROUTING', 'kubernetes postrouting rules'),
  ...['INPUT', 'OUTPUT'].map(chain => hook('filter', chain, 'KUBE-FIREWALL', 'kubernetes node firewall')),
  hook('filter', 'INPUT', 'KUBE-NODEPORTS', 'kubernetes health check service ports'),
  hook('filter', 'FORWARD', 'KUBE-FORWARD', 'kubernetes forwarding rules'),
  ...['INPUT', 'FORWARD'].map(chain =>
    hook('filter', chain, 'KUBE-EXTERNAL-SERVICES', 'kubernetes externally-visible service portals', isNew),
  ),
  ...['FORWARD', 'OUTPUT'].map(chain => hook('filter', chain, 'KUBE-SERVICES', 'kubernetes service portals', isNew)),
  ...['INPUT', 'FORWARD', 'OUTPUT'].map(chain =>
    hook('filter', chain, 'KUBE-PROXY-FIREWALL', 'kubernetes load balancer firewall', isNew),
  ),
];

function hook(table: TableName, chain: string, to: string, comment: string, ...matches: Match[]): Hook {
  return { table, chain, rule: { matches: [...matches, note(comment)], target: { kind: 'jump', chain: to } } };
}

/** Accepts the health check of a service with policy Local. */
export function healthCheckRule(name: string, port: number): Rule {
  return {
    protocol: 'tcp',
    matches: [note(`${name} health check node port`), { kind: 'port', protocol: 'tcp', destination: onePort(port) }],
    target: { kind: 'accept' },
  };
}
