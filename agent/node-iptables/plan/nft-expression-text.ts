/**
 * Expressions of nft's JSON as the text that nft's own listing would show: `ip daddr . th dport`, `10.0.0.0/8`,
 * `numgen random mod 2 map { 0 : 10.0.0.1 . 80 }`. Source: libnftables-json(5), version 1.0.6.
 */
import { ParseError } from './parse-error.ts';

type Json = Readonly<Record<string, unknown>>;

const VERDICTS: readonly string[] = ['accept', 'drop', 'continue', 'return'];
/** Deeper than any ruleset; a bound against documents made to exhaust the stack. */
const MAX_DEPTH = 64;

/** @throws ParseError on what is no expression */
export function expressionText(value: unknown, depth = 0): string {
  if (depth > MAX_DEPTH) throw new ParseError('nft -j', 'nested too deep', '');
  const text = (inner: unknown): string => expressionText(inner, depth + 1);
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return value.map(text).join(',');
  const [kind, body] = one(value);
  switch (kind) {
    case 'concat':
      return many(body).map(text).join(' . ');
    case 'prefix':
      return `${text(part(body, 'addr'))}/${text(part(body, 'len'))}`;
    case 'range':
      return many(body).map(text).join('-');
    case 'set':
      return `{ ${many(body)
        .map(item => elementText(item, depth + 1))
        .join(', ')} }`;
    case 'elem':
      return text(part(body, 'val'));
    case 'payload':
      return 'protocol' in body ? `${text(body['protocol'])} ${text(part(body, 'field'))}` : rawPayloadText(body, text);
    case 'meta':
      return metaText(text(part(body, 'key')));
    case 'ct':
      return ['ct', body['dir'], body['family'], part(body, 'key')]
        .filter(w => w !== undefined)
        .map(text)
        .join(' ');
    case 'fib':
      return `fib ${flags(part(body, 'flags'), ' . ')} ${text(part(body, 'result'))}`;
    case 'numgen':
      return `numgen ${text(part(body, 'mode'))} mod ${text(part(body, 'mod'))}${offset(body)}`;
    case 'jhash':
      return `jhash ${text(part(body, 'expr'))} mod ${text(part(body, 'mod'))}${seed(body)}${offset(body)}`;
    case 'symhash':
      return `symhash mod ${text(part(body, 'mod'))}${offset(body)}`;
    case 'map':
    case 'vmap':
      return `${text(part(body, 'key'))} ${kind} ${text(part(body, 'data'))}`;
    case '|':
    case '&':
    case '^':
    case '<<':
    case '>>':
      return many(body).map(text).join(` ${kind} `);
    case 'rt':
    case 'socket':
      return `${kind} ${text(part(body, 'key'))}`;
    case 'tcp option':
    case 'exthdr':
    case 'ip option':
      return [kind, body['name'], body['field']]
        .filter(w => w !== undefined)
        .map(text)
        .join(' ');
    case 'jump':
    case 'goto':
      return verdictText(value);
    default:
      return VERDICTS.includes(kind) ? kind : JSON.stringify(value);
  }
}

/** `drop`, `goto svc`. @throws ParseError on what is no verdict */
export function verdictText(value: unknown): string {
  const [kind, body] = one(value);
  if (VERDICTS.includes(kind)) return kind;
  if (kind === 'jump' || kind === 'goto') return `${kind} ${expressionText(part(body, 'target'), MAX_DEPTH)}`;
  throw new ParseError('nft -j', 'no verdict', value);
}

function elementText(item: unknown, depth: number): string {
  if (!Array.isArray(item)) return expressionText(item, depth);
  return item.map(half => expressionText(half, depth + 1)).join(' : ');
}

function rawPayloadText(body: Json, text: (inner: unknown) => string): string {
  return `@${text(part(body, 'base'))},${text(part(body, 'offset'))},${text(part(body, 'len'))}`;
}

// nft's listing leaves `meta` out before the keys that were there first.
function metaText(key: string): string {
  return /^(iif|oif|iifname|oifname|iiftype|oiftype|iifgroup|oifgroup|mark|skuid|skgid|cgroup)$/.test(key) &&
    key !== 'mark'
    ? key
    : `meta ${key}`;
}

function flags(value: unknown, separator: string): string {
  return (Array.isArray(value) ? value : [value]).map(String).join(separator);
}

function offset(body: Json): string {
  const value = body['offset'];
  return typeof value === 'number' && value !== 0 ? ` offset ${value}` : '';
}

function seed(body: Json): string {
  return typeof body['seed'] === 'number' ? ` seed 0x${body['seed'].toString(16)}` : '';
}

function one(value: unknown): readonly [string, Json] {
  const entry = typeof value === 'object' && value !== null ? Object.entries(value)[0] : undefined;
  if (entry === undefined) throw new ParseError('nft -j', 'no expression', value);
  return [entry[0], (entry[1] ?? {}) as Json];
}

function many(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new ParseError('nft -j', 'no list', value);
  return value;
}

function part(body: Json, name: string): unknown {
  const value = typeof body === 'object' && Object.hasOwn(body, name) ? body[name] : undefined;
  if (value === undefined) throw new ParseError('nft -j', `no field ${name}`, body);
  return value;
}
