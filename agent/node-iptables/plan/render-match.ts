/** One match of a rule as `iptables-save` prints it. */
import { renderMark, renderPorts, renderProbability } from './numbers.ts';
import type { AddressRange, ConnectionState, Family, Match, PortMatch, TcpFlags } from './rule.ts';
import { savedString, verbatim, word } from './words.ts';

const STATE_ORDER: readonly ConnectionState[] = [
  'INVALID',
  'NEW',
  'RELATED',
  'ESTABLISHED',
  'UNTRACKED',
  'SNAT',
  'DNAT',
];
const PORTS_FLAG = { source: '--sports', destination: '--dports', either: '--ports' } as const;

/** @throws RangeError if a number is out of range or a word holds a control character */
export function renderMatch(match: Match, family: Family): string {
  switch (match.kind) {
    case 'comment':
      if (Buffer.byteLength(match.text) > 255)
        throw new RangeError(`comment of ${Buffer.byteLength(match.text)} bytes, 255 allowed`);
      return `-m comment --comment ${savedString(match.text)}`;
    case 'port':
      return `-m ${match.protocol}${port('--sport', match.source)}${port('--dport', match.destination)}${flags(match.flags)}`;
    case 'ports':
      return `-m multiport ${bang(match.not)}${PORTS_FLAG[match.side]} ${match.ports.map(range => renderPorts(range)).join(',')}`;
    case 'icmp':
      return match.version === 4
        ? `-m icmp ${bang(match.not)}--icmp-type ${word(match.type)}`
        : `-m icmp6 ${bang(match.not)}--icmpv6-type ${word(match.type)}`;
    case 'mark':
      return `-m mark ${bang(match.not)}--mark ${renderMark(match, false)}`;
    case 'connectionMark':
      return `-m connmark ${bang(match.not)}--mark ${renderMark(match, false)}`;
    case 'addressType':
      return `-m addrtype ${bang(match.not)}--${match.side === 'source' ? 'src' : 'dst'}-type ${word(match.type)}`;
    case 'addressRange':
      return `-m iprange${range('--src-range', match.source)}${range('--dst-range', match.destination)}`;
    case 'state':
      return `-m conntrack ${bang(match.not)}--ctstate ${STATE_ORDER.filter(s => match.states.includes(s)).join(',')}`;
    case 'limit':
      return `-m limit --limit ${word(match.rate)}${match.burst === undefined ? '' : ` --limit-burst ${match.burst}`}`;
    case 'random':
      return `-m statistic --mode random ${bang(match.not)}--probability ${renderProbability(match.probability)}`;
    case 'nth':
      return `-m statistic --mode nth ${bang(match.not)}--every ${match.every} --packet ${match.packet}`;
    case 'recent': {
      const when = 'seconds' in match ? ` --seconds ${match.seconds}${match.reap === true ? ' --reap' : ''}` : '';
      return `-m recent --${match.action}${when} --name ${word(match.name)} --mask ${recentMask(family)} --rsource`;
    }
    case 'set':
      return `-m set ${bang(match.not)}--match-set ${word(match.name)} ${word(match.flags)}`;
    case 'other':
      return `-m ${word(match.module)}${match.args.length === 0 ? '' : ` ${verbatim(match.args)}`}`;
  }
}

/** The whole address, as the module `recent` says it. */
export function recentMask(family: Family): string {
  return family === 'ipv4' ? '255.255.255.255' : 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff';
}

function port(flag: string, match: PortMatch | undefined): string {
  return match === undefined ? '' : ` ${bang(match.not)}${flag} ${renderPorts(match)}`;
}

function flags(match: TcpFlags | undefined): string {
  return match === undefined
    ? ''
    : ` ${bang(match.not)}--tcp-flags ${word(match.mask.join(','))} ${word(match.set.join(','))}`;
}

function range(flag: string, match: AddressRange | undefined): string {
  return match === undefined ? '' : ` ${bang(match.not)}${flag} ${word(match.from)}-${word(match.to)}`;
}

function bang(flag: true | undefined): string {
  return flag === true ? '! ' : '';
}
