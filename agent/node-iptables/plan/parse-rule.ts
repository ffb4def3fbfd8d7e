/**
 * One line of `iptables-save` back to a rule. Whatever has no type of its own is kept word for word as `other`, so that
 * rendering a parsed rule never loses a word.
 */
import type { ConnectionState, Match, PortRange, Rule, Target } from './rule.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Splits a line as `iptables-restore` does: double quotes group, a backslash inside them escapes. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let current = '';
  let open = false;
  let started = false;
  for (let i = 0; i < line.length; i++) {
    const c = line.charAt(i);
    if (open) {
      if (c === '\\' && i + 1 < line.length) current += line.charAt(++i);
      else if (c === '"') open = false;
      else current += c;
    } else if (c === '"') {
      open = started = true;
    } else if (c === ' ' || c === '\t' || c === '\n') {
      if (started) words.push(current);
      current = '';
      started = false;
    } else {
      current += c;
      started = true;
    }
  }
  if (started) words.push(current);
  return words;
}

/** The rule of words that follow `-A CHAIN`. */
export function parseRule(text: string | readonly string[]): Rule {
  const words = typeof text === 'string' ? splitWords(text) : text;
  const rule: Mutable<Rule> = {};
  const matches: Match[] = [];
  let negated = false;
  for (let i = 0; i < words.length;) {
    const flag = words[i];
    const value = words[i + 1] ?? '';
    const negation = negated ? ({ not: true } as const) : {};
    if (flag === '!') {
      negated = true;
      i++;
      continue;
    }
    if (flag === '-m' || flag === '-j' || flag === '-g') {
      let end = i + 2;
      while (end < words.length && !['-m', '-j', '-g'].includes(words[end] ?? '')) end++;
      const args = words.slice(i + 2, end);
      if (flag === '-m') matches.push(parseMatch(value, args));
      else rule.target = flag === '-g' ? { kind: 'goto', chain: value } : parseTarget(value, args);
      i = end;
    } else {
      if (flag === '-s') rule.source = { cidr: value, ...negation };
      else if (flag === '-d') rule.destination = { cidr: value, ...negation };
      else if (flag === '-i') rule.inInterface = { name: value, ...negation };
      else if (flag === '-o') rule.outInterface = { name: value, ...negation };
      else if (flag === '-p') rule.protocol = value;
      else throw new SyntaxError(`unknown option ${JSON.stringify(flag)} in rule ${JSON.stringify(words.join(' '))}`);
      i += 2;
    }
    negated = false;
  }
  if (matches.length > 0) rule.matches = matches;
  return rule;
}

function parseMatch(module: string, args: readonly string[]): Match {
  const other: Match = { kind: 'other', module, args };
  const not = args[0] === '!' ? ({ not: true } as const) : {};
  const [option, value, extra, ...rest] = args[0] === '!' ? args.slice(1) : args;
  const single = value !== undefined && extra === undefined;
  switch (module) {
    case 'comment':
      return option === '--comment' && single ? { kind: 'comment', text: value } : other;
    case 'tcp':
    case 'udp':
    case 'sctp':
      return parsePortMatch(module, args) ?? other;
    case 'mark':
      return option === '--mark' && single ? { kind: 'mark', ...parseMark(value), ...not } : other;
    case 'addrtype':
      if (!single) return other;
      if (option === '--src-type') return { kind: 'addressType', side: 'source', type: value, ...not };
      return option === '--dst-type' ? { kind: 'addressType', side: 'destination', type: value, ...not } : other;
    case 'conntrack':
      return option === '--ctstate' && single
        ? { kind: 'state', states: value.split(',') as ConnectionState[], ...not }
        : other;
    case 'statistic':
      return option === '--mode' && value === 'random' && extra === '--probability' && rest.length === 1
        ? { kind: 'random', probability: Number(rest[0]) }
        : other;
    case 'recent':
      return parseRecent(args) ?? other;
    case 'set':
      return option === '--match-set' && value !== undefined && extra !== undefined && rest.length === 0
        ? { kind: 'set', name: value, flags: extra, ...not }
        : other;
    default:
      return other;
  }
}

function parsePortMatch(protocol: 'tcp' | 'udp' | 'sctp', args: readonly string[]): Match | undefined {
  const match: { source?: PortRange; destination?: PortRange } = {};
  for (let i = 0; i < args.length; i += 2) {
    const value = args[i + 1];
    if (value === undefined || !/^\d+(:\d+)?$/.test(value)) return undefined;
    const [from, to] = value.split(':').map(Number) as [number, number?];
    if (args[i] === '--sport') match.source = { from, to: to ?? from };
    else if (args[i] === '--dport') match.destination = { from, to: to ?? from };
    else return undefined;
  }
  return { kind: 'port', protocol, ...match };
}

function parseRecent(args: readonly string[]): Match | undefined {
  const rest = [...args];
  const action = rest.shift()?.slice(2);
  const take = (flag: string): string | undefined => {
    const at = rest.indexOf(flag);
    return at < 0 ? undefined : rest.splice(at, 2)[1];
  };
  const name = take('--name');
  const seconds = take('--seconds');
  take('--mask');
  const reap = rest.includes('--reap') ? ({ reap: true } as const) : {};
  if (name === undefined || rest.some(w => w !== '--reap' && w !== '--rsource')) return undefined;
  if ((action === 'set' || action === 'remove') && seconds === undefined) return { kind: 'recent', action, name };
  if ((action === 'rcheck' || action === 'update') && seconds !== undefined) {
    return { kind: 'recent', action, name, seconds: Number(seconds), ...reap };
  }
  return undefined;
}

function parseTarget(name: string, args: readonly string[]): Target {
  const [option, value, extra] = args;
  const single = value !== undefined && extra === undefined;
  if (option === undefined) {
    if (name === 'ACCEPT') return { kind: 'accept' };
    if (name === 'DROP') return { kind: 'drop' };
    if (name === 'RETURN') return { kind: 'return' };
    if (name === 'MASQUERADE') return { kind: 'masquerade' };
    // An own chain and an extension without options look alike; both are a jump to a name.
    return { kind: 'jump', chain: name };
  }
  if (name === 'REJECT' && option === '--reject-with' && single) return { kind: 'reject', with: value };
  if (name === 'DNAT' && option === '--to-destination' && single) return { kind: 'dnat', to: value };
  if (name === 'SNAT' && option === '--to-source' && single) return { kind: 'snat', to: value };
  if (name === 'MASQUERADE' && option === '--random-fully' && value === undefined) {
    return { kind: 'masquerade', randomFully: true };
  }
  if (name === 'MARK' && option === '--set-xmark' && single) return { kind: 'mark', ...parseMark(value) };
  return { kind: 'other', name, args };
}

function parseMark(text: string): { value: number; mask: number } {
  const [value, mask] = text.split('/');
  return { value: Number(value), mask: mask === undefined ? 0xffffffff : Number(mask) };
}
