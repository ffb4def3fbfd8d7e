/**
 * A rule as the words that `iptables-restore` reads, in the order and spelling in which `iptables-save` prints them.
 *
 * Nothing a caller passes can break out of its word: control characters are refused, the rest is quoted.
 */
import type { ConnectionState, Family, Match, PortRange, Rule, Target } from './rule.ts';

const STATE_ORDER: readonly ConnectionState[] = [
  'INVALID',
  'NEW',
  'RELATED',
  'ESTABLISHED',
  'UNTRACKED',
  'SNAT',
  'DNAT',
];
const PLAIN_WORD = /^[A-Za-z0-9_./:,+=\-[\]]+$/;
const UNQUOTED_COMMENT = /^[A-Za-z0-9_-]+$/;

const CONTROL = /[\u0000-\u001f\u007f]/;

/**
 * The rule without its leading `-A CHAIN`.
 * @throws RangeError if a word holds a control character or a number is out of range
 */
export function renderRule(rule: Rule, family: Family = 'ipv4'): string {
  const words: string[] = [];
  if (rule.source !== undefined) words.push(not(rule.source.not), '-s', word(rule.source.cidr));
  if (rule.destination !== undefined) words.push(not(rule.destination.not), '-d', word(rule.destination.cidr));
  if (rule.inInterface !== undefined) words.push(not(rule.inInterface.not), '-i', word(rule.inInterface.name));
  if (rule.outInterface !== undefined) words.push(not(rule.outInterface.not), '-o', word(rule.outInterface.name));
  if (rule.protocol !== undefined) words.push('-p', word(rule.protocol));
  for (const match of rule.matches ?? []) words.push(renderMatch(match, family));
  if (rule.target !== undefined) words.push(renderTarget(rule.target));
  return words.filter(w => w !== '').join(' ');
}

/** A word as `iptables-restore` reads it back: quoted where it needs to be. @throws RangeError on control characters */
export function word(text: string, unquoted: RegExp = PLAIN_WORD): string {
  if (CONTROL.test(text)) throw new RangeError(`control character in ${JSON.stringify(text)}`);
  return unquoted.test(text) ? text : `"${text.replace(/["\\']/g, '\\$&')}"`;
}

/** The kernel keeps 31 bits of a probability; this is the number it prints afterwards. */
export function canonicalProbability(probability: number): number {
  return Number(probabilityText(probability));
}

function probabilityText(probability: number): string {
  if (!(probability >= 0 && probability <= 1)) throw new RangeError(`probability ${probability} is not in 0..1`);
  return (Math.min(Math.round(probability * 0x80000000), 0x7fffffff) / 0x80000000).toFixed(11);
}

function renderMatch(match: Match, family: Family): string {
  switch (match.kind) {
    case 'comment':
      if (match.text.length > 255) throw new RangeError(`comment of ${match.text.length} characters, 255 allowed`);
      return `-m comment --comment ${word(match.text, UNQUOTED_COMMENT)}`;
    case 'port': {
      const source = match.source === undefined ? '' : ` --sport ${renderPorts(match.source)}`;
      const destination = match.destination === undefined ? '' : ` --dport ${renderPorts(match.destination)}`;
      return `-m ${match.protocol}${source}${destination}`;
    }
    case 'mark':
      return `-m mark ${bang(match.not)}--mark ${renderMark(match.value, match.mask, false)}`;
    case 'addressType':
      return `-m addrtype ${bang(match.not)}--${match.side === 'source' ? 'src' : 'dst'}-type ${word(match.type)}`;
    case 'state':
      return `-m conntrack ${bang(match.not)}--ctstate ${STATE_ORDER.filter(s => match.states.includes(s)).join(',')}`;
    case 'random':
      return `-m statistic --mode random --probability ${probabilityText(match.probability)}`;
    case 'recent': {
      const when = 'seconds' in match ? ` --seconds ${match.seconds}${match.reap === true ? ' --reap' : ''}` : '';
      const mask = family === 'ipv4' ? '255.255.255.255' : 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff';
      return `-m recent --${match.action}${when} --name ${word(match.name)} --mask ${mask} --rsource`;
    }
    case 'set':
      return `-m set ${bang(match.not)}--match-set ${word(match.name)} ${word(match.flags)}`;
    case 'other':
      return ['-m', match.module, ...match.args].map(w => (w === '!' ? w : word(w))).join(' ');
  }
}

function renderTarget(target: Target): string {
  switch (target.kind) {
    case 'jump':
      return `-j ${word(target.chain)}`;
    case 'goto':
      return `-g ${word(target.chain)}`;
    case 'accept':
      return '-j ACCEPT';
    case 'drop':
      return '-j DROP';
    case 'return':
      return '-j RETURN';
    case 'reject':
      return `-j REJECT --reject-with ${word(target.with)}`;
    case 'dnat':
      return `-j DNAT --to-destination ${word(target.to)}`;
    case 'snat':
      return `-j SNAT --to-source ${word(target.to)}`;
    case 'masquerade':
      return target.randomFully === true ? '-j MASQUERADE --random-fully' : '-j MASQUERADE';
    case 'mark':
      return `-j MARK --set-xmark ${renderMark(target.value, target.mask, true)}`;
    case 'other':
      return ['-j', target.name, ...target.args].map(w => (w === '!' ? w : word(w))).join(' ');
  }
}

function renderPorts(range: PortRange): string {
  for (const port of [range.from, range.to]) {
    if (!Number.isInteger(port) || port < 0 || port > 65535) throw new RangeError(`port ${port} is not in 0..65535`);
  }
  return range.from === range.to ? `${range.from}` : `${range.from}:${range.to}`;
}

function renderMark(value: number, mask: number, always: boolean): string {
  const text = `0x${(value >>> 0).toString(16)}`;
  return mask >>> 0 === 0xffffffff && !always ? text : `${text}/0x${(mask >>> 0).toString(16)}`;
}

function not(flag: true | undefined): string {
  return flag === true ? '!' : '';
}

function bang(flag: true | undefined): string {
  return flag === true ? '! ' : '';
}
