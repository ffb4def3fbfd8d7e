/**
 * What stands in our nftables tables whatever services there are: sets and maps, the chains that the kernel calls, and the chains that all
 * services with the same number of endpoints share.
 *
 * Nearly all happens where the kernel asks for NAT, once a connection: packets of connections that stand pass only `filter-forward`.
 */
import type { NftCommand } from '../../node-iptables/plan/nft.ts';
import type { NftSetSpec } from '../../node-iptables/plan/nft-set.ts';
import type { NodeModel } from './model.ts';
import { LOCAL_SLOTS, MASQUERADE_CHAIN, REJECT_CHAIN, TRANSPORTS, endpointMap, familyWords } from './nftables-names.ts';
import type { ServiceMap } from './nftables-names.ts';

/** More than clients that one node sees in the longest time of affinity; beyond it connections go anywhere. */
const MAX_AFFINITIES = 4_194_304;

/** A chain that the kernel calls. */
type BaseChain = Extract<NftCommand, { readonly kind: 'addChain' }>;

const BASE_CHAINS: readonly BaseChain[] = [
  { kind: 'addChain', chain: 'nat-prerouting', hook: { type: 'nat', hook: 'prerouting', priority: 'dstnat' } },
  { kind: 'addChain', chain: 'nat-output', hook: { type: 'nat', hook: 'output', priority: -100 } },
  { kind: 'addChain', chain: 'nat-postrouting', hook: { type: 'nat', hook: 'postrouting', priority: 'srcnat' } },
  { kind: 'addChain', chain: 'filter-forward', hook: { type: 'filter', hook: 'forward', priority: 'filter' } },
  { kind: 'addChain', chain: 'filter-input', hook: { type: 'filter', hook: 'input', priority: 'filter' } },
];

/** Emptied by a full write; what it says of affinity stays. */
export function refilledSets(node: NodeModel): ReadonlyMap<string, NftSetSpec & { readonly isMap: boolean }> {
  const { family, addressType: address } = familyWords(node.family);
  const sets = new Map<string, NftSetSpec & { readonly isMap: boolean }>([
    ['service-ips', { isMap: true, type: `${address} . inet_proto . inet_service : verdict` }],
    ['node-ports', { isMap: true, type: 'inet_proto . inet_service : verdict' }],
    ['hairpin', { isMap: false, type: `${address} . ${address}` }],
  ]);
  for (const transport of TRANSPORTS) {
    const value = `${family} daddr . ${transport} dport`;
    const slot = 'numgen random mod 2147483648';
    sets.set(endpointMap('service-ips', transport), {
      isMap: true,
      typeof: `${family} daddr . ${transport} dport . ${slot} : ${value}`,
      counter: true,
    });
    sets.set(endpointMap('node-ports', transport), {
      isMap: true,
      typeof: `${transport} dport . ${slot} : ${value}`,
      counter: true,
    });
  }
  return sets;
}

/** Makes what is missing of table, sets and chains; rules are `baseRules()`. */
export function declareBase(node: NodeModel): NftCommand[] {
  const { family } = familyWords(node.family);
  return [
    { kind: 'addTable', comment: 'Services of Kubernetes, by k8ts' },
    ...[...refilledSets(node)].map(([name, { isMap, ...spec }]): NftCommand => ({
      kind: isMap ? 'addMap' : 'addSet',
      name,
      ...spec,
    })),
    {
      kind: 'addSet',
      name: 'affinity',
      typeof: `${family} saddr . numgen random mod 2147483648`,
      flags: ['dynamic', 'timeout'],
      size: MAX_AFFINITIES,
    },
    ...BASE_CHAINS,
    { kind: 'addChain', chain: REJECT_CHAIN },
    { kind: 'addChain', chain: MASQUERADE_CHAIN },
  ];
}

/** The rules of the chains that `declareBase()` makes, by chain. */
export function baseRules(node: NodeModel): ReadonlyMap<string, readonly string[]> {
  const { family, unreachable, loopback } = familyWords(node.family);
  const toService = `${family} daddr . meta l4proto . th dport vmap @service-ips`;
  const isLocalhost = node.family === 'IPv4' && node.localhostNodePorts;
  const mark = markText(node);
  return new Map([
    // A neighbour may send to 127.0.0.1 where route_localnet is on: node ports answer there to the node alone.
    ['nat-prerouting', [toService, ...nodePortRules(node, `${family} daddr != ${loopback} `)]],
    ['nat-output', [toService, ...nodePortRules(node, isLocalhost ? '' : `${family} daddr != ${loopback} `)]],
    [
      'nat-postrouting',
      [
        `meta mark & ${mark} == ${mark} goto ${MASQUERADE_CHAIN}`,
        `ct status dnat ${family} saddr . ${family} daddr @hairpin goto ${MASQUERADE_CHAIN}`,
      ],
    ],
    // An answer that is too late for its connection would reach the client from the endpoint's own address, and end what it has.
    ['filter-forward', ['ct state invalid drop']],
    [
      'filter-input',
      isLocalhost
        ? [
            'ip daddr 127.0.0.0/8 ip saddr != 127.0.0.0/8 ct state != { established, related } ct status & dnat == 0 drop',
          ]
        : [],
    ],
    // The kernel sends ICMP errors to one host about once a second; resets it sends as many as there are.
    [REJECT_CHAIN, ['meta l4proto tcp reject with tcp reset', `reject with ${unreachable}`]],
    // The bit goes first: a packet that passes the stack twice must not be masqueraded twice.
    [MASQUERADE_CHAIN, [`meta mark set meta mark & ${hex(~(1 << node.masqueradeBit))}`, 'masquerade fully-random']],
  ]);
}

/** Marks a packet to be masqueraded on its way out. */
export function markStatement(node: NodeModel): string {
  return `meta mark set meta mark | ${markText(node)}`;
}

/**
 * The rules of a chain that services share, by its name; undefined if it is no such name. The chains that it leads to must stand before it:
 * `sharedChainsOf()` has the order.
 */
export function sharedChainRules(name: string, node: NodeModel): readonly string[] | undefined {
  const pick = /^(node-port-)?(local-)?endpoints-(\d+)$/.exec(name);
  if (pick !== null) {
    const map: ServiceMap = pick[1] === undefined ? 'service-ips' : 'node-ports';
    return pickRules(map, Number(pick[3]), pick[2] !== undefined, node);
  }
  const route = /^(cluster-ip|external|node-port)(-local)?-(\d+)(?:-(\d+))?$/.exec(name);
  if (route === null) return undefined;
  const [, kind, local, first, second] = route;
  const prefix = kind === 'node-port' ? 'node-port-' : '';
  if (local === undefined) {
    const pickAny = `goto ${prefix}endpoints-${first}`;
    return kind === 'cluster-ip' ? internalRules(pickAny, node) : externalRules(pickAny, node);
  }
  const pickLocal = first === '0' ? undefined : `goto ${prefix}local-endpoints-${first}`;
  if (kind === 'cluster-ip') return internalRules(pickLocal ?? 'drop', node);
  return externalLocalRules(pickLocal, second === '0' ? undefined : `goto ${prefix}endpoints-${second}`, node);
}

/** Shared chains that these rules or verdicts lead to, each after those that it leads to itself. */
export function sharedChainsOf(statements: Iterable<string>, node: NodeModel): Map<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  const visit = (statement: string): void => {
    const name = /goto (\S+)$/.exec(statement)?.[1];
    if (name === undefined || found.has(name)) return;
    const rules = sharedChainRules(name, node);
    if (rules === undefined) return;
    for (const rule of rules) visit(rule);
    found.set(name, rules);
  };
  for (const statement of statements) visit(statement);
  return found;
}

/** What comes to a cluster IP. @param pick the verdict that finds an endpoint */
export function internalRules(pick: string, node: NodeModel): string[] {
  const { family } = familyWords(node.family);
  const isOutside = node.clusterCIDR === undefined ? undefined : `${family} saddr != ${node.clusterCIDR} `;
  return [...(isOutside === undefined ? [] : [isOutside + markStatement(node)]), pick];
}

/** What comes from outside under policy Cluster. */
export function externalRules(pick: string, node: NodeModel): string[] {
  return [markStatement(node), pick];
}

/** What comes from outside under policy Local: pods and the node itself are not outside, and reach every endpoint. */
export function externalLocalRules(
  pickLocal: string | undefined,
  pickAny: string | undefined,
  node: NodeModel,
): string[] {
  const { family } = familyWords(node.family);
  const rules: string[] = [];
  if (pickAny !== undefined) {
    if (node.clusterCIDR !== undefined) rules.push(`${family} saddr ${node.clusterCIDR} ${pickAny}`);
    rules.push(`fib saddr type local ${markStatement(node)}`, `fib saddr type local ${pickAny}`);
  }
  rules.push(pickLocal ?? 'drop');
  return rules;
}

function pickRules(map: ServiceMap, endpoints: number, isLocal: boolean, node: NodeModel): string[] {
  const { family } = familyWords(node.family);
  const slot = `numgen random mod ${endpoints}${isLocal ? ` offset ${LOCAL_SLOTS}` : ''}`;
  return TRANSPORTS.map(transport => {
    const key = `${map === 'service-ips' ? `${family} daddr . ` : ''}${transport} dport . ${slot}`;
    return `dnat ${family} to ${key} map @${endpointMap(map, transport)}`;
  });
}

function nodePortRules(node: NodeModel, condition: string): string[] {
  const { family } = familyWords(node.family);
  const lookup = 'meta l4proto . th dport vmap @node-ports';
  if (node.nodePortAddresses === 'all') return [`${condition}fib daddr type local ${lookup}`];
  if (node.nodePortAddresses.length === 0) return [];
  return [`${condition}${family} daddr { ${node.nodePortAddresses.join(', ')} } ${lookup}`];
}

function markText(node: NodeModel): string {
  return hex(1 << node.masqueradeBit);
}

function hex(value: number): string {
  return `0x${(value >>> 0).toString(16).padStart(8, '0')}`;
}
