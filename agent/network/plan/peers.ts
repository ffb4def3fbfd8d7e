/**
 * What of the Node objects the pod network goes by: each node's addresses and pod ranges, and which of those ranges cannot be right.
 */
import type { Node } from '../../../proto/api/core-v1.ts';
import { cidr as cidrProblems, ipFamilyOf } from '../../../machinery/meta/value-shapes.ts';
import { networkText, parseNetwork } from '../../../machinery/meta/ip-number.ts';
import { RangeClaims } from './range-claims.ts';

/** A node as its neighbours see it. */
export interface Peer {
  readonly name: string;
  /** Addresses of type InternalIP. */
  readonly addresses: readonly string[];
  /** Pod ranges in canonical form, one a family. */
  readonly ranges: readonly string[];
}

export interface Peers {
  /** All but this node, the oldest first; each range is of one node alone. */
  readonly others: readonly Peer[];
  /** What was left out, a sentence each. */
  readonly conflicts: readonly string[];
}

/** What of a Node object matters to its peers. Equal text, equal routes. */
export function nodeFingerprint(node: Node): string {
  return [node.metadata.name, internalIPs(node).join(), podCIDRsOf(node).join()].join(' ');
}

/** The node's pod ranges, one a family. */
export function podCIDRsOf(node: Node): readonly string[] {
  const { podCIDRs, podCIDR } = node.spec ?? {};
  return podCIDRs ?? (podCIDR === undefined || podCIDR === '' ? [] : [podCIDR]);
}

/** Addresses of type InternalIP, as the node says them. */
export function internalIPs(node: Node): string[] {
  return (node.status?.addresses ?? []).filter(a => a.type === 'InternalIP').map(a => a.address);
}

/** This node as others see it. What is no address or range is left out: it would become a part of commands. */
export function peerOf(node: Node): Peer {
  const ranges = podCIDRsOf(node)
    .filter(isRange)
    .map(cidr => networkText(parseNetwork(cidr)));
  return { name: node.metadata.name ?? '', addresses: internalIPs(node).filter(isAddress), ranges };
}

function isAddress(text: string): boolean {
  return ipFamilyOf(text) !== undefined;
}

function isRange(text: string): boolean {
  return cidrProblems(text).length === 0;
}

/** What `peerOf()` leaves out, a sentence each. */
function nonsenseOf(node: Node): string[] {
  const tell = (what: string, text: string): string =>
    `${what} ${JSON.stringify(text.slice(0, 50))} of node ${node.metadata.name} is left out: it is none`;
  return [
    ...podCIDRsOf(node).flatMap(range => (isRange(range) ? [] : [tell('pod range', range)])),
    ...internalIPs(node).flatMap(address => (isAddress(address) ? [] : [tell('address', address)])),
  ];
}

/** No network of pods, whoever says so. */
const SPECIAL_RANGES = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '::/127', 'fe80::/10', 'ff00::/8'];

/**
 * Of two nodes that claim the same addresses the older keeps them, after this node and services; a range with a node's address in it would
 * lead to nowhere.
 * @param serviceCIDRs in canonical form
 */
export function peersOf(nodes: readonly Node[], self: Peer, serviceCIDRs: readonly string[]): Peers {
  const conflicts: string[] = [];
  const claims = new RangeClaims();
  for (const range of SPECIAL_RANGES) claims.add(parseNetwork(range), `the special range ${range}`);
  for (const range of serviceCIDRs) claims.add(parseNetwork(range), `the service range ${range}`);
  claimAddresses(claims, self);
  for (const range of self.ranges) claims.add(parseNetwork(range), `the range ${range} of node ${self.name}`);
  const byAge = nodes.filter(node => node.metadata.name !== self.name).sort((a, b) => (ageKey(a) < ageKey(b) ? -1 : 1));
  const others = byAge.map(node => {
    const peer = peerOf(node);
    conflicts.push(...nonsenseOf(node));
    claimAddresses(claims, peer);
    const ranges = peer.ranges.filter(range => {
      const network = parseNetwork(range);
      const holder = claims.holderOf(network);
      if (holder === undefined) claims.add(network, `the range ${range} of node ${peer.name}`);
      else conflicts.push(`pod range ${range} of node ${peer.name} is left out: it overlaps ${holder}`);
      return holder === undefined;
    });
    return { ...peer, ranges };
  });
  return { others, conflicts };
}

function claimAddresses(claims: RangeClaims, { name, addresses }: Peer): void {
  for (const address of addresses)
    claims.add(
      parseNetwork(`${address}/${address.includes(':') ? 128 : 32}`),
      `the address ${address} of node ${name}`,
    );
}

function ageKey(node: Node): string {
  return `${node.metadata.creationTimestamp ?? ''} ${node.metadata.name ?? ''}`;
}
