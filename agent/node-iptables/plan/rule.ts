/**
 * The values of the packet filter: tables, chains, rules. No text, no I/O.
 *
 * A rule in *canonical form* is what `iptables-save` gives back after the same rule was written: addresses carry their
 * prefix length, states stand in the kernel's order. `parseRule(renderRule(rule))` is the identity on canonical rules.
 * Source: iptables(8), iptables-extensions(8), version 1.8.9.
 */
export type Family = 'ipv4' | 'ipv6';

export type TableName = 'filter' | 'nat' | 'mangle' | 'raw' | 'security';

/** An address with prefix length (`10.0.0.1/32`), matched or, with `not`, anything but it. */
export interface AddressMatch {
  readonly cidr: string;
  readonly not?: true;
}

/** An interface name, `+` at the end for a prefix. */
export interface InterfaceMatch {
  readonly name: string;
  readonly not?: true;
}

/** One port (`from === to`) or an inclusive range. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/** A port or range that a packet has or, with `not`, has not. */
export interface PortMatch extends PortRange {
  readonly not?: true;
}

/** Of the flags in `mask` exactly those in `set` are set: `SYN`, `ACK`, `FIN`, `RST`, `URG`, `PSH`, `ALL`, `NONE`. */
export interface TcpFlags {
  readonly mask: readonly string[];
  readonly set: readonly string[];
  readonly not?: true;
}

/** First and last address, both included. */
export interface AddressRange {
  readonly from: string;
  readonly to: string;
  readonly not?: true;
}

export type ConnectionState = 'INVALID' | 'NEW' | 'RELATED' | 'ESTABLISHED' | 'UNTRACKED' | 'SNAT' | 'DNAT';

/** One `-m module` of a rule; what this library has no type for stays `other`, word for word. */
export type Match =
  | { readonly kind: 'comment'; readonly text: string }
  | {
      readonly kind: 'port';
      readonly protocol: 'tcp' | 'udp' | 'sctp';
      readonly source?: PortMatch;
      readonly destination?: PortMatch;
      /** Of TCP alone. */
      readonly flags?: TcpFlags;
    }
  /** Up to 15 ports, a range counts as two. */
  | {
      readonly kind: 'ports';
      readonly side: 'source' | 'destination' | 'either';
      readonly ports: readonly PortRange[];
      readonly not?: true;
    }
  /** `8`, `3/4`, `any`; of IPv6 by `version`. */
  | { readonly kind: 'icmp'; readonly version: 4 | 6; readonly type: string; readonly not?: true }
  | { readonly kind: 'mark'; readonly value: number; readonly mask: number; readonly not?: true }
  | { readonly kind: 'connectionMark'; readonly value: number; readonly mask: number; readonly not?: true }
  | {
      readonly kind: 'addressType';
      readonly side: 'source' | 'destination';
      readonly type: string;
      readonly not?: true;
    }
  | { readonly kind: 'addressRange'; readonly source?: AddressRange; readonly destination?: AddressRange }
  | { readonly kind: 'state'; readonly states: readonly ConnectionState[]; readonly not?: true }
  /** `rate` as `iptables-save` prints it, `5/min`; `burst` 5 if it says nothing. */
  | { readonly kind: 'limit'; readonly rate: string; readonly burst?: number }
  | { readonly kind: 'random'; readonly probability: number; readonly not?: true }
  /** Packet number `packet` (from 0) of every `every`. */
  | { readonly kind: 'nth'; readonly every: number; readonly packet: number; readonly not?: true }
  | { readonly kind: 'recent'; readonly action: 'set' | 'remove'; readonly name: string }
  | {
      readonly kind: 'recent';
      readonly action: 'rcheck' | 'update';
      readonly name: string;
      readonly seconds: number;
      readonly reap?: true;
    }
  | { readonly kind: 'set'; readonly name: string; readonly flags: string; readonly not?: true }
  | { readonly kind: 'other'; readonly module: string; readonly args: readonly string[] };

/** What happens to a packet that matches. */
export type Target =
  | { readonly kind: 'jump'; readonly chain: string }
  | { readonly kind: 'goto'; readonly chain: string }
  | { readonly kind: 'accept' }
  | { readonly kind: 'drop' }
  | { readonly kind: 'return' }
  | { readonly kind: 'reject'; readonly with: string }
  | { readonly kind: 'dnat'; readonly to: string }
  | { readonly kind: 'snat'; readonly to: string }
  | { readonly kind: 'masquerade'; readonly randomFully?: true }
  /** To the machine itself; without a port to the packet's own. */
  | { readonly kind: 'redirect'; readonly toPorts?: PortRange }
  | { readonly kind: 'mark'; readonly value: number; readonly mask: number }
  | { readonly kind: 'connectionMark'; readonly action: 'set'; readonly value: number; readonly mask: number }
  | {
      readonly kind: 'connectionMark';
      readonly action: 'save' | 'restore';
      readonly packetMask: number;
      readonly connectionMask: number;
    }
  /** `level` 0 to 7, 4 if it says nothing. */
  | { readonly kind: 'log'; readonly prefix?: string; readonly level?: number }
  /** The largest TCP segment: a number, or what the path carries. */
  | { readonly kind: 'segmentSize'; readonly bytes: number | 'path' }
  /** The connection is not followed. */
  | { readonly kind: 'noTrack' }
  | { readonly kind: 'other'; readonly name: string; readonly args: readonly string[] };

/** One rule. Matches keep their order; a rule without target only counts. */
export interface Rule {
  readonly source?: AddressMatch;
  readonly destination?: AddressMatch;
  readonly inInterface?: InterfaceMatch;
  readonly outInterface?: InterfaceMatch;
  readonly protocol?: string;
  /** Any protocol but that. */
  readonly protocolNot?: true;
  /** Of IPv4: second and later fragments, or anything but those. */
  readonly fragments?: 'only' | 'never';
  readonly matches?: readonly Match[];
  readonly target?: Target;
}

/** Packets and bytes that passed a rule or a chain's policy. */
export interface Counters {
  readonly packets: number;
  readonly bytes: number;
}

/** The kernel's own chains; they cannot be made, removed or, by this library, flushed. */
export const BUILT_IN_CHAINS: ReadonlySet<string> = new Set([
  'PREROUTING',
  'INPUT',
  'FORWARD',
  'OUTPUT',
  'POSTROUTING',
]);

/** Sets the bits of `mask` (`--or-mark`). */
export function orMark(mask: number): Target {
  return { kind: 'mark', value: mask, mask };
}

/** Turns the bits of `mask` over (`--xor-mark`). */
export function xorMark(mask: number): Target {
  return { kind: 'mark', value: mask, mask: 0 };
}

/** A single port as a range. */
export function onePort(port: number): PortRange {
  return { from: port, to: port };
}
