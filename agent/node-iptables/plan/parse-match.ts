/** One match of a rule, back from its words. A match of which a single word is not understood stays `other` as a whole. */
import { parseHex, parseMark, parsePorts } from './numbers.ts';
import { recentMask } from './render-match.ts';
import type { AddressRange, ConnectionState, Match, PortMatch, TcpFlags } from './rule.ts';
import type { RuleOption } from './words.ts';

type Not = { readonly not?: true };

const STATES: ReadonlySet<string> = new Set(['INVALID', 'NEW', 'RELATED', 'ESTABLISHED', 'UNTRACKED', 'SNAT', 'DNAT']);
const PORT_SIDES = { '--sports': 'source', '--dports': 'destination', '--ports': 'either' } as const;

/** @param options those of the module, in order */
export function parseMatch(module: string, options: readonly RuleOption[]): Match {
  return parseKnown(module, options) ?? { kind: 'other', module, args: options.flatMap(option => option.words) };
}

function parseKnown(module: string, options: readonly RuleOption[]): Match | undefined {
  const [only, ...more] = options;
  if (module === 'tcp' || module === 'udp' || module === 'sctp') return parsePortMatch(module, options);
  if (only === undefined) return undefined;
  if (module === 'iprange') return parseRanges(options);
  if (module === 'statistic') return parseStatistic(options);
  if (module === 'recent') return parseRecent(options);
  if (module === 'limit') return parseLimit(options);
  if (more.length > 0) return undefined;
  const { flag, values } = only;
  const [value, second, third] = values;
  const single = value !== undefined && second === undefined ? value : undefined;
  const negation: Not = only.not ? { not: true } : {};
  switch (`${module} ${flag}`) {
    case 'comment --comment':
      return single === undefined || only.not ? undefined : { kind: 'comment', text: single };
    case 'multiport --sports':
    case 'multiport --dports':
    case 'multiport --ports': {
      const ports = single?.split(',').map(text => parsePorts(text));
      if (ports === undefined || ports.includes(undefined)) return undefined;
      const known = ports.filter(range => range !== undefined);
      return { kind: 'ports', side: PORT_SIDES[flag as keyof typeof PORT_SIDES], ports: known, ...negation };
    }
    case 'icmp --icmp-type':
      return single === undefined ? undefined : { kind: 'icmp', version: 4, type: single, ...negation };
    case 'icmp6 --icmpv6-type':
      return single === undefined ? undefined : { kind: 'icmp', version: 6, type: single, ...negation };
    case 'mark --mark':
    case 'connmark --mark': {
      const mark = parseMark(single);
      if (mark === undefined) return undefined;
      return { kind: module === 'mark' ? 'mark' : 'connectionMark', ...mark, ...negation };
    }
    case 'addrtype --src-type':
      return single === undefined ? undefined : { kind: 'addressType', side: 'source', type: single, ...negation };
    case 'addrtype --dst-type':
      return single === undefined ? undefined : { kind: 'addressType', side: 'destination', type: single, ...negation };
    case 'conntrack --ctstate': {
      const states = single?.split(',') ?? [];
      if (states.length === 0 || !states.every(state => STATES.has(state))) return undefined;
      return { kind: 'state', states: states as ConnectionState[], ...negation };
    }
    case 'set --match-set':
      if (value === undefined || second === undefined || third !== undefined) return undefined;
      return { kind: 'set', name: value, flags: second, ...negation };
    default:
      return undefined;
  }
}

function parsePortMatch(protocol: 'tcp' | 'udp' | 'sctp', options: readonly RuleOption[]): Match | undefined {
  const match: { source?: PortMatch; destination?: PortMatch; flags?: TcpFlags } = {};
  for (const { flag, not, values } of options) {
    const negation: Not = not ? { not: true } : {};
    const [first, second, third] = values;
    if (flag === '--tcp-flags' && match.flags === undefined && third === undefined) {
      if (first === undefined || second === undefined) return undefined;
      match.flags = { mask: first.split(','), set: second.split(','), ...negation };
      continue;
    }
    // `iptables-save` prints source, destination, flags; in another order it would not come back the same.
    const ports = second === undefined && match.flags === undefined ? parsePorts(first) : undefined;
    if (ports === undefined) return undefined;
    if (flag === '--sport' && match.source === undefined && match.destination === undefined)
      match.source = { ...ports, ...negation };
    else if (flag === '--dport' && match.destination === undefined) match.destination = { ...ports, ...negation };
    else return undefined;
  }
  return { kind: 'port', protocol, ...match };
}

function parseRanges(options: readonly RuleOption[]): Match | undefined {
  const match: { source?: AddressRange; destination?: AddressRange } = {};
  for (const { flag, not, values } of options) {
    const [from, to, ...rest] = values.length === 1 ? (values[0]?.split('-') ?? []) : [];
    if (from === undefined || to === undefined || rest.length > 0) return undefined;
    const range = { from, to, ...(not ? ({ not: true } as const) : {}) };
    if (flag === '--src-range' && match.source === undefined && match.destination === undefined) match.source = range;
    else if (flag === '--dst-range' && match.destination === undefined) match.destination = range;
    else return undefined;
  }
  return { kind: 'addressRange', ...match };
}

function parseStatistic(options: readonly RuleOption[]): Match | undefined {
  const [mode, how, packet, ...rest] = options;
  if (mode?.flag !== '--mode' || mode.not || how === undefined || rest.length > 0) return undefined;
  const negation: Not = how.not ? { not: true } : {};
  const value = Number(how.values[0]);
  if (mode.values[0] === 'random' && how.flag === '--probability' && packet === undefined)
    return value >= 0 && value <= 1 ? { kind: 'random', probability: value, ...negation } : undefined;
  if (mode.values[0] !== 'nth' || how.flag !== '--every' || packet?.flag !== '--packet') return undefined;
  const number = parseHex(packet.values[0]);
  return number === undefined || !Number.isInteger(value)
    ? undefined
    : { kind: 'nth', every: value, packet: number, ...negation };
}

function parseLimit(options: readonly RuleOption[]): Match | undefined {
  const [limit, burst, ...rest] = options;
  const rate = limit?.flag === '--limit' && !limit.not && limit.values.length === 1 ? limit.values[0] : undefined;
  if (rate === undefined || rest.length > 0) return undefined;
  if (burst === undefined) return { kind: 'limit', rate };
  const number = burst.flag === '--limit-burst' && !burst.not ? parseHex(burst.values[0]) : undefined;
  return number === undefined ? undefined : { kind: 'limit', rate, burst: number };
}

function parseRecent(options: readonly RuleOption[]): Match | undefined {
  const [what, ...rest] = options;
  if (what === undefined || rest.some(option => option.not) || what.not) return undefined;
  const of = (flag: string): string | undefined => rest.find(option => option.flag === flag)?.values[0];
  const known = ['--name', '--mask', '--rsource', '--seconds', '--reap'];
  if (!rest.every(option => known.includes(option.flag))) return undefined;
  const name = of('--name');
  const mask = of('--mask');
  const seconds = of('--seconds');
  const reap = rest.some(option => option.flag === '--reap') ? ({ reap: true } as const) : {};
  const isWhole = mask === undefined || mask === recentMask('ipv4') || mask === recentMask('ipv6');
  if (name === undefined || !isWhole) return undefined;
  const action = what.flag.slice(2);
  if ((action === 'set' || action === 'remove') && seconds === undefined && reap.reap === undefined)
    return { kind: 'recent', action, name };
  const limit = parseHex(seconds);
  if ((action === 'rcheck' || action === 'update') && limit !== undefined)
    return { kind: 'recent', action, name, seconds: limit, ...reap };
  return undefined;
}
