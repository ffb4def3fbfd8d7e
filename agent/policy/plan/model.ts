/**
 * What the kernel shall let through, in no packet filter's language. Everything is of one address family: a chain, a set and an address of
 * the other never meet.
 *
 * A chain is what pods with the same rights share. Its name says its content (a hash), so its rules never change: other rights are
 * another chain, and a pod moves from one to the other. Sets of pods change, an element at a time.
 */
import type { IpFamily } from '../../../machinery/meta/ip-number.ts';

export type Direction = 'ingress' | 'egress';

export type Protocol = 'TCP' | 'UDP' | 'SCTP';

/** Inclusive. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/** Who is at the other end. */
export type PeerMatch =
  | { readonly kind: 'any' }
  /** An address in that set; of content `addresses` or `networks`. */
  | { readonly kind: 'set'; readonly set: string };

/** What is asked for at the destination. */
export type PortMatch =
  | { readonly kind: 'any' }
  /** Ranges are sorted and do not touch. */
  | { readonly kind: 'ranges'; readonly protocol: Protocol; readonly ranges: readonly PortRange[] }
  /** Destination address, protocol and port together are in that set, of content `namedPorts`. */
  | { readonly kind: 'named'; readonly set: string };

/** Traffic that is let through: it must match both. */
export interface AllowRule {
  readonly peer: PeerMatch;
  readonly port: PortMatch;
}

/** Lets through what one of its rules matches; everything else is dropped. */
export interface PolicyChain {
  /** Direction, family and a hash of the rules: `i4-0123456789abcdef`. */
  readonly name: string;
  readonly direction: Direction;
  readonly family: IpFamily;
  /** No rule: nothing is let through. */
  readonly rules: readonly AllowRule[];
}

/** What the elements of a set are: `10.0.0.1`; `10.0.0.0/8`; `10.0.0.1 TCP 80`. */
export type SetContent = 'addresses' | 'networks' | 'namedPorts';

/** Sets that rules look into. */
export interface PolicySet {
  /** `p4-0123456789abcdef` (pods), `n4-…` (named ports), `b4-…` (networks). */
  readonly name: string;
  readonly family: IpFamily;
  readonly content: SetContent;
  readonly elements: Iterable<string>;
}

/** Chains of the pod at an address; a direction without chain is open. */
export interface PodChains {
  readonly ingress?: string | undefined;
  readonly egress?: string | undefined;
}

/** All of it. */
export interface PolicyModel {
  readonly chains: readonly PolicyChain[];
  readonly sets: readonly PolicySet[];
  /** By address of a pod of this node. */
  readonly pods: ReadonlyMap<string, PodChains>;
  /** Addresses that count as pods' though the node answers them itself: cluster DNS. */
  readonly answered: readonly string[];
}

/** One set, or the chains of one address, before and after. */
export interface SetChange {
  readonly name: string;
  readonly family: IpFamily;
  readonly content: SetContent;
  readonly add: readonly string[];
  readonly remove: readonly string[];
}

export interface PodChange {
  readonly address: string;
  readonly before: PodChains;
  readonly after: PodChains;
}

/** What became different since the last write. */
export interface PolicyChange {
  readonly addSets: readonly PolicySet[];
  readonly changeSets: readonly SetChange[];
  readonly removeSets: readonly Omit<PolicySet, 'elements'>[];
  readonly addChains: readonly PolicyChain[];
  readonly removeChains: readonly PolicyChain[];
  readonly pods: readonly PodChange[];
}

/** The family of an address that was checked before. */
export function familyOfAddress(address: string): IpFamily {
  return address.includes(':') ? 'IPv6' : 'IPv4';
}

export function isEmptyModel({ pods }: PolicyModel): boolean {
  return pods.size === 0;
}

export function isEmptyChange(change: PolicyChange): boolean {
  return (
    change.addSets.length + change.changeSets.length + change.removeSets.length === 0 &&
    change.addChains.length + change.removeChains.length + change.pods.length === 0
  );
}
