/** Flows of the kernel's connection table: filters as words of `conntrack(8)`, and what `conntrack -L` prints. Version 1.4.7. */
import type { Family } from './rule.ts';

export type FlowProtocol = 'tcp' | 'udp' | 'sctp';

/** Which flows; every field given must match. */
export interface FlowFilter {
  readonly protocol: FlowProtocol;
  /** Default: that of the address given, else `ipv4`. */
  readonly family?: Family;
  /** Where the client sent it. */
  readonly originalDestination?: string;
  readonly originalPort?: number;
  /** Where DNAT sent it on. */
  readonly natDestination?: string;
  /** Who answers, after DNAT or without. */
  readonly replySource?: string;
}

/** A flow, as it went out and as its answers come. */
export interface Flow {
  readonly protocol: FlowProtocol;
  readonly originalSource: string;
  readonly originalSourcePort: number;
  readonly originalDestination: string;
  readonly originalPort: number;
  /** Who answers; another than the original destination after DNAT. */
  readonly replySource: string;
  readonly replyPort: number;
  /** Another than the original source after SNAT or masquerading. */
  readonly replyDestination: string;
  readonly replyDestinationPort: number;
}

/** The filter as words of `conntrack(8)`. */
export function flowArguments(filter: FlowFilter): string[] {
  const address = filter.originalDestination ?? filter.natDestination ?? filter.replySource ?? '';
  const family = filter.family ?? (address.includes(':') ? 'ipv6' : 'ipv4');
  const argv = [...(family === 'ipv6' ? ['-f', 'ipv6'] : []), '-p', filter.protocol];
  if (filter.originalDestination !== undefined) argv.push('--orig-dst', filter.originalDestination);
  if (filter.originalPort !== undefined) argv.push('--dport', String(filter.originalPort));
  if (filter.natDestination !== undefined) argv.push('--dst-nat', filter.natDestination);
  if (filter.replySource !== undefined) argv.push('--reply-src', filter.replySource);
  return argv;
}

/** The flows of a listing; lines of protocols without ports, and what is no flow, are passed over. */
export function parseFlows(text: string): Flow[] {
  return text.split('\n').flatMap(line => parseFlow(line) ?? []);
}

function parseFlow(line: string): Flow | undefined {
  const protocol = /^(tcp|udp|sctp)\s/.exec(line)?.[1] as FlowProtocol | undefined;
  if (protocol === undefined) return undefined;
  const fields = new Map<string, string[]>();
  for (const [, name = '', value = ''] of line.matchAll(/\b(src|dst|sport|dport)=(\S+)/g))
    fields.set(name, [...(fields.get(name) ?? []), value]);
  const [originalSource, replySource] = fields.get('src') ?? [];
  const [originalDestination, replyDestination] = fields.get('dst') ?? [];
  const [originalSourcePort, replyPort] = (fields.get('sport') ?? []).map(Number);
  const [originalPort, replyDestinationPort] = (fields.get('dport') ?? []).map(Number);
  if (originalSource === undefined || originalDestination === undefined) return undefined;
  if (replySource === undefined || replyDestination === undefined) return undefined;
  if (originalSourcePort === undefined || originalPort === undefined) return undefined;
  if (replyPort === undefined || replyDestinationPort === undefined) return undefined;
  return {
    protocol,
    originalSource,
    originalSourcePort,
    originalDestination,
    originalPort,
    replySource,
    replyPort,
    replyDestination,
    replyDestinationPort,
  };
}
