/**
 * The rules that stand whatever services there are: marks, masquerading, and the jumps from the kernel's chains into ours.
 * Source: kube-proxy's iptables back end; chain names and their meaning are what firewall tools and people rely on.
 */
import { onePort, orMark, xorMark } from '../../node-iptables/plan/rule.ts';
import type { Match, Rule, TableName } from '../../node-iptables/plan/rule.ts';
import type { NodeModel } from './model.ts';

/** The bit that says: masquerade on the way out. */
export const MASQUERADE_MARK = 0x4000;

export const CANARY_CHAIN = 'KUBE-PROXY-CANARY';

/** Tables that hold our rules. */
export const PROXY_TABLES = ['nat', 'filter'] as const;

export type ProxyTable = (typeof PROXY_TABLES)[number];

/** Chains that every service adds rules to; what stands after those rules is `sharedTail`. */
export const SHARED_CHAINS: Record<ProxyTable, readonly string[]> = {
  nat: ['KUBE-SERVICES', 'KUBE-NODEPORTS'],
  filter: ['KUBE-SERVICES', 'KUBE-EXTERNAL-SERVICES', 'KUBE-NODEPORTS', 'KUBE-PROXY-FIREWALL'],
};

const note = (text: string): Match => ({ kind: 'comment', text });
const isNew: Match = { kind: 'state', states: ['NEW'] };
const marked = (not: boolean): Match => ({
  kind: 'mark',
  value: MASQUERADE_MARK,
  mask: MASQUERADE_MARK,
  ...(not ? { not: true } : {}),
});

/** The last rules of a shared chain. */
export function sharedTail(table: ProxyTable, chain: string): Rule[] {
  if (table !== 'nat' || chain !== 'KUBE-SERVICES') return [];
  return [
    {
      matches: [
        note('kubernetes service nodeports; NOTE: this must be the last rule in this chain'),
        { kind: 'addressType', side: 'destination', type: 'LOCAL' },
      ],
      target: { kind: 'jump', chain: 'KUBE-NODEPORTS' },
    },
  ];
}

/** Chains of our own whose rules never depend on services. */
export function baseChains(table: ProxyTable, node: NodeModel): Map<string, Rule[]> {
  const canary: Rule = { matches: [note('kept to notice a flush')], target: { kind: 'return' } };
  if (table === 'nat') {
    return new Map<string, Rule[]>([
      ['KUBE-MARK-MASQ', [{ target: orMark(MASQUERADE_MARK) }]],
      [
        'KUBE-POSTROUTING',
        [
          { matches: [marked(true)], target: { kind: 'return' } },
          // Cleared first: a packet that passes the stack twice must not be masqueraded twice.
          { target: xorMark(MASQUERADE_MARK) },
          {
            matches: [note('kubernetes service traffic requiring SNAT')],
            target: { kind: 'masquerade', randomFully: true },
          },
        ],
      ],
      [CANARY_CHAIN, [canary]],
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
    ['KUBE-FIREWALL', node.family === 'IPv4' && node.localhostNodePorts ? [blockIncomingLocalnet] : []],
    [CANARY_CHAIN, [canary]],
  ]);
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

/** A jump from one of the kernel's chains into one of ours. */
export interface Hook {
  readonly table: TableName;
  readonly chain: string;
  readonly rule: Rule;
}

/** In the order in which they are inserted at the head, so the last of a chain comes to stand first. */
export const HOOKS: readonly Hook[] = [
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
