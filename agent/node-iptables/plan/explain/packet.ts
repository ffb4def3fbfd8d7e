/** A packet of which some things are known, and whether conditions hold for it. */
import { cidrContains } from '../address.ts';
import type { ConnectionState, PortRange } from '../rule.ts';

/** What is left out is not known. */
export interface Packet {
  readonly source?: string;
  readonly destination?: string;
  readonly protocol?: 'tcp' | 'udp' | 'sctp' | 'icmp' | 'ipv6-icmp';
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly inInterface?: string;
  readonly outInterface?: string;
  readonly mark?: number;
  readonly state?: ConnectionState;
  /** Of the destination: whether it is this machine's own. */
  readonly isLocal?: boolean;
}

/** Whether a condition holds: `perhaps` if that is not known. */
export type Answer = 'yes' | 'no' | 'perhaps';

export function answer(holds: boolean | undefined, not?: boolean): Answer {
  if (holds === undefined) return 'perhaps';
  return holds !== (not === true) ? 'yes' : 'no';
}

/** All of them. */
export function every(answers: Iterable<Answer>): Answer {
  let all: Answer = 'yes';
  for (const one of answers) {
    if (one === 'no') return 'no';
    if (one === 'perhaps') all = 'perhaps';
  }
  return all;
}

/** Undefined if the address is not known or the prefix is none (`10.0.0.0/255.0.255.0`). */
export function isWithin(address: string | undefined, cidr: string): boolean | undefined {
  if (address === undefined) return undefined;
  try {
    return cidrContains(cidr, address);
  } catch {
    return undefined;
  }
}

/** Undefined if the port is not known. */
export function isPortIn(port: number | undefined, ranges: readonly PortRange[]): boolean | undefined {
  return port === undefined ? undefined : ranges.some(({ from, to }) => from <= port && port <= to);
}

/** Undefined if the name is not known. */
export function isInterface(name: string | undefined, pattern: string, wildcard: '+' | '*'): boolean | undefined {
  if (name === undefined) return undefined;
  return pattern.endsWith(wildcard) ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}
