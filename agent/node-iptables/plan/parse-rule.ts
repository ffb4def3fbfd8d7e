/**
 * One line of `iptables-save` back to a rule. Whatever has no type of its own is kept word for word as `other`, so that
 * rendering a parsed rule never loses a word.
 */
import { ParseError } from './parse-error.ts';
import { parseMatch } from './parse-match.ts';
import { parseTarget } from './parse-target.ts';
import type { Match, Rule } from './rule.ts';
import { splitWords, toOptions } from './words.ts';
import type { RuleOption } from './words.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const STARTS_PART: ReadonlySet<string> = new Set(['-m', '-j', '-g']);

/**
 * The rule of words that follow `-A CHAIN`.
 * @throws ParseError if an option before the first match or target is not known
 */
export function parseRule(text: string | readonly string[]): Rule {
  const options = toOptions(typeof text === 'string' ? splitWords(text) : text);
  const rule: Mutable<Rule> = {};
  const matches: Match[] = [];
  for (let i = 0; i < options.length;) {
    const option = options[i++];
    if (option === undefined) break;
    if (!STARTS_PART.has(option.flag)) {
      parseBasic(rule, option);
      continue;
    }
    const start = i;
    while (i < options.length && !STARTS_PART.has(options[i]?.flag ?? '')) i++;
    const name = option.values[0];
    if (name === undefined || option.values.length > 1 || option.not) throw unknown(option);
    if (option.flag === '-m') matches.push(parseMatch(name, options.slice(start, i)));
    else if (rule.target !== undefined) throw unknown(option);
    else if (option.flag === '-j') rule.target = parseTarget(name, options.slice(start, i));
    else {
      rule.target = { kind: 'goto', chain: name };
      i = start;
    }
  }
  if (matches.length > 0) rule.matches = matches;
  return rule;
}

function parseBasic(rule: Mutable<Rule>, option: RuleOption): void {
  const { flag, not, values } = option;
  const negation = not ? ({ not: true } as const) : {};
  if (flag === '-f' && values.length === 0) {
    rule.fragments = not ? 'never' : 'only';
    return;
  }
  const value = values[0];
  if (value === undefined || values.length > 1) throw unknown(option);
  if (flag === '-s') rule.source = { cidr: value, ...negation };
  else if (flag === '-d') rule.destination = { cidr: value, ...negation };
  else if (flag === '-i') rule.inInterface = { name: value, ...negation };
  else if (flag === '-o') rule.outInterface = { name: value, ...negation };
  else if (flag === '-p') {
    rule.protocol = value;
    if (not) rule.protocolNot = true;
  } else throw unknown(option);
}

function unknown(option: RuleOption): ParseError {
  return new ParseError('iptables-save', 'unknown option', option.words.join(' '));
}
