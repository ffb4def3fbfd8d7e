/** A rule of iptables as a sentence: which packets it is for, and what becomes of them. */
import type { AddressMatch, AddressRange, Match, PortMatch, PortRange, Rule, Target, TcpFlags } from '../rule.ts';

const PROTOCOLS: Readonly<Record<string, string>> = { 'ipv6-icmp': 'ICMPv6' };

/** `TCP packets to 10.96.0.1, port 80, whose mark is 0x4000/0x4000: go through chain WEB and come back.` */
export function explainRule(rule: Rule): string {
  const conditions = [
    rule.inInterface && `coming in by ${except(rule.inInterface.not)}${interfaceText(rule.inInterface.name)}`,
    rule.outInterface && `going out by ${except(rule.outInterface.not)}${interfaceText(rule.outInterface.name)}`,
    rule.fragments && (rule.fragments === 'only' ? 'that are later fragments' : 'that are no later fragments'),
    ...(rule.matches ?? []).map(match => explainMatch(match)),
  ].filter(text => text !== undefined && text !== '');
  const who = [packets(rule), address('from', rule.source), address('to', rule.destination)].filter(w => w !== '');
  const comment = rule.matches?.find(match => match.kind === 'comment')?.text;
  const said = comment === undefined ? '' : ` ("${comment}")`;
  return `${[who.join(' '), ...conditions].join(', ')}: ${explainTarget(rule.target)}.${said}`;
}

/** What becomes of a packet: `are dropped`. */
export function explainTarget(target: Target | undefined): string {
  switch (target?.kind) {
    case undefined:
      return 'are only counted';
    case 'jump':
      return `go through chain ${target.chain} and come back`;
    case 'goto':
      return `go on in chain ${target.chain}`;
    case 'accept':
      return 'are accepted';
    case 'drop':
      return 'are dropped';
    case 'return':
      return 'leave this chain';
    case 'reject':
      return `are rejected with ${target.with}`;
    case 'dnat':
      return `are sent to ${target.to}`;
    case 'snat':
      return `get the source ${target.to}`;
    case 'masquerade':
      return 'get the source address of the interface by which they leave';
    case 'redirect':
      return `are sent to this machine${target.toPorts === undefined ? '' : `, port ${range(target.toPorts)}`}`;
    case 'mark':
      return `are marked: ${markText(target.value, target.mask)}`;
    case 'connectionMark':
      if (target.action === 'set') return `have their connection marked: ${markText(target.value, target.mask)}`;
      return target.action === 'save' ? 'leave their mark to the connection' : "take over the connection's mark";
    case 'log':
      return `are logged${target.prefix === undefined ? '' : ` as "${target.prefix.trim()}"`}`;
    case 'segmentSize':
      return `may carry segments of ${target.bytes === 'path' ? 'what the path carries' : `${target.bytes} bytes`}`;
    case 'noTrack':
      return 'have no connection followed';
    case 'other':
      return `meet ${[target.name, ...target.args].join(' ')}`;
  }
}

function explainMatch(match: Match): string {
  switch (match.kind) {
    case 'comment':
      return '';
    case 'port':
      return [port('from port', match.source), port('port', match.destination), flags(match.flags)]
        .filter(text => text !== '')
        .join(', ');
    case 'ports': {
      const side = { source: 'from port', destination: 'port', either: 'from or to port' }[match.side];
      return `${side} ${except(match.not)}${match.ports.map(range).join(' or ')}`;
    }
    case 'icmp':
      return `of ${match.not === true ? 'another type than' : 'type'} ${match.type}`;
    case 'mark':
    case 'connectionMark': {
      const whose = match.kind === 'mark' ? 'whose mark' : 'whose connection mark';
      return `${whose} is ${match.not === true ? 'not ' : ''}${maskedText(match.value, match.mask)}`;
    }
    case 'addressType':
      return `whose ${match.side} is ${match.not === true ? 'not ' : ''}${match.type.toLowerCase()}`;
    case 'addressRange':
      return [addressRange('from', match.source), addressRange('to', match.destination)]
        .filter(text => text !== '')
        .join(', ');
    case 'state':
      return `in ${match.not === true ? 'another state than' : 'state'} ${match.states.join(' or ')}`;
    case 'limit':
      return `as long as they are no more than ${match.rate}`;
    case 'random':
      return `${percent(match.not === true ? 1 - match.probability : match.probability)} of them by chance`;
    case 'nth':
      return `${match.not === true ? 'all but' : 'only'} number ${match.packet} of every ${match.every}`;
    case 'recent':
      if (!('seconds' in match))
        return match.action === 'set'
          ? `remembering their source in list ${match.name}`
          : `whose source is in list ${match.name}, forgetting it`;
      return `whose source was seen in list ${match.name} within ${match.seconds} s`;
    case 'set':
      return `whose ${match.flags.replaceAll('src', 'source').replaceAll('dst', 'destination').replaceAll(',', ' and ')} ${match.not === true ? 'is not' : 'is'} in set ${match.name}`;
    case 'other':
      return `matching ${[match.module, ...match.args].join(' ')}`;
  }
}

function packets({ protocol, protocolNot }: Rule): string {
  if (protocol === undefined) return 'Packets';
  const name = PROTOCOLS[protocol] ?? protocol.toUpperCase();
  return protocolNot === true ? `Packets but those of ${name}` : `${name} packets`;
}

function address(word: string, match: AddressMatch | undefined): string {
  return match === undefined ? '' : `${word} ${except(match.not)}${match.cidr.replace(/\/(32|128)$/, '')}`;
}

function addressRange(word: string, match: AddressRange | undefined): string {
  return match === undefined ? '' : `${word} ${except(match.not)}${match.from} to ${match.to}`;
}

function port(word: string, match: PortMatch | undefined): string {
  return match === undefined ? '' : `${word} ${except(match.not)}${range(match)}`;
}

function flags(match: TcpFlags | undefined): string {
  return match === undefined
    ? ''
    : `${match.not === true ? 'unless' : 'if'} of ${match.mask.join(', ')} exactly ${match.set.join(', ')} are set`;
}

function range({ from, to }: PortRange): string {
  return from === to ? String(from) : `${from} to ${to}`;
}

function interfaceText(name: string): string {
  return name.endsWith('+') ? `${name.slice(0, -1)}*` : name;
}

function except(not: true | undefined): string {
  return not === true ? 'anything but ' : '';
}

function percent(probability: number): string {
  return `${Number((probability * 100).toPrecision(3))} %`;
}

function maskedText(value: number, mask: number): string {
  return mask >>> 0 === 0xffffffff ? hex(value) : `${hex(value)} in ${hex(mask)}`;
}

// `--set-xmark value/mask` clears the bits of the mask and turns those of the value over.
function markText(value: number, mask: number): string {
  if (mask === 0) return `bits ${hex(value)} turned over`;
  if (value >>> 0 === mask >>> 0) return mask >>> 0 === 0xffffffff ? hex(value) : `bits ${hex(mask)} set`;
  return value === 0 ? `bits ${hex(mask)} cleared` : `${hex(value)} in ${hex(mask)}`;
}

function hex(value: number): string {
  return `0x${(value >>> 0).toString(16)}`;
}
