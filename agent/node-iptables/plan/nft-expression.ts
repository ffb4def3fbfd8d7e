/**
 * Expressions of nft rules in the shape of nft's JSON, and their text: `ip daddr . th dport`, `10.0.0.0/8`,
 * `numgen random mod 2 map { 0 : 10.0.0.1 . 80 }`. Source: libnftables-json(5), version 1.0.6.
 */
import { field, list, single } from './nft-json.ts';
import { ParseError } from './parse-error.ts';

/** A value, or where it comes from. What has no type here is kept as JSON. */
export type NftExpression =
  | string
  | number
  | boolean
  | readonly NftExpression[]
  | { readonly concat: readonly NftExpression[] }
  | { readonly prefix: { readonly addr: NftExpression; readonly len: number } }
  | { readonly range: readonly [NftExpression, NftExpression] }
  /** Elements, or pairs of key and value. */
  | { readonly set: readonly (NftExpression | readonly [NftExpression, NftExpression])[] }
  | { readonly payload: { readonly protocol: string; readonly field: string } }
  | { readonly meta: { readonly key: string } }
  | { readonly ct: { readonly key: string; readonly dir?: string; readonly family?: string } }
  | { readonly fib: { readonly result: string; readonly flags: readonly string[] } }
  | { readonly numgen: { readonly mode: 'random' | 'inc'; readonly mod: number; readonly offset?: number } }
  | { readonly map: { readonly key: NftExpression; readonly data: NftExpression } }
  | { readonly '|': readonly NftExpression[] }
  | { readonly '&': readonly NftExpression[] }
  | { readonly '^': readonly NftExpression[] }
  | Readonly<Record<string, unknown>>;

type Json = Readonly<Record<string, unknown>>;
type TextOf = (inner: unknown) => string;

const VERDICTS: ReadonlySet<string> = new Set(['accept', 'drop', 'continue', 'return']);
/** Keys of `meta` whose values stand in quotes: names, and times with colons in them. */
const QUOTED_KEYS: ReadonlySet<string> = new Set([
  ...['iifname', 'oifname', 'ibrname', 'obrname', 'iifkind', 'oifkind'],
  ...['time', 'hour', 'day'],
]);
/** nft's listing says them without `meta`. */
const UNQUALIFIED: ReadonlySet<string> = new Set(['iif', 'oif', 'iifname', 'oifname', 'iifgroup', 'oifgroup']);
/** Deeper than any ruleset; a bound against documents made to exhaust the stack. */
const MAX_DEPTH = 64;

/** @throws ParseError on what is no expression */
export function expressionText(value: unknown, depth = 0): string {
  if (depth > MAX_DEPTH) throw new ParseError('nft -j', 'nested too deep', '');
  const text: TextOf = inner => expressionText(inner, depth + 1);
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return value.map(text).join(',');
  const [kind, body, whole] = single(value);
  switch (kind) {
    case 'concat':
      return list(whole, whole).map(text).join(' . ');
    case 'prefix':
      return `${text(field(body, 'addr'))}/${text(field(body, 'len'))}`;
    case 'range':
      return list(whole, whole).map(text).join('-');
    case 'set':
      return setText(whole, text);
    case 'elem':
      return text(field(body, 'val'));
    case 'payload':
      return 'protocol' in body
        ? `${text(body['protocol'])} ${text(field(body, 'field'))}`
        : `@${text(field(body, 'base'))},${text(field(body, 'offset'))},${text(field(body, 'len'))}`;
    case 'meta': {
      const key = text(field(body, 'key'));
      return UNQUALIFIED.has(key) ? key : `meta ${key}`;
    }
    case 'ct':
      return joined(['ct', body['dir'], body['family'], field(body, 'key')], text);
    case 'fib':
      return `fib ${[field(body, 'flags')].flat().map(text).join(' . ')} ${text(field(body, 'result'))}`;
    case 'numgen':
      return `numgen ${text(field(body, 'mode'))} mod ${text(field(body, 'mod'))}${offset(body)}`;
    case 'jhash':
      return `jhash ${text(field(body, 'expr'))} mod ${text(field(body, 'mod'))}${seed(body)}${offset(body)}`;
    case 'symhash':
      return `symhash mod ${text(field(body, 'mod'))}${offset(body)}`;
    case 'map':
    case 'vmap': {
      const key = field(body, 'key');
      return `${text(key)} ${kind} ${valueText(key, field(body, 'data'), text)}`;
    }
    case '|':
    case '&':
    case '^':
    case '<<':
    case '>>':
      return list(whole, whole)
        .map(inner => operand(inner, text))
        .join(` ${kind} `);
    case 'rt':
    case 'socket':
      return `${kind} ${text(field(body, 'key'))}`;
    case 'tcp option':
    case 'ip option':
      return joined([kind, body['name'], body['field']], text);
    case 'exthdr':
      return joined([body['name'], body['field']], text);
    case 'jump':
    case 'goto':
      return verdictText(value);
    default:
      return VERDICTS.has(kind) ? kind : JSON.stringify(value);
  }
}

/** `drop`, `goto svc`. @throws ParseError on what is no verdict */
export function verdictText(value: unknown): string {
  const [kind, body] = single(value);
  if (VERDICTS.has(kind)) return kind;
  if (kind === 'jump' || kind === 'goto') return `${kind} ${expressionText(field(body, 'target'), MAX_DEPTH)}`;
  throw new ParseError('nft -j', 'no verdict', value);
}

/** Values that are compared with `left`, in quotes where that needs them. */
export function valueText(left: unknown, right: unknown, text: TextOf = expressionText): string {
  const keys = concatenated(left).map(isQuotedKey);
  if (!keys.includes(true)) return text(right);
  return text(mapLeaves(right, keys, 0));
}

/** An operand that is itself an operation stands in parentheses, and so do flags: nft's JSON has them as a list. */
export function operand(inner: unknown, text: TextOf): string {
  if (Array.isArray(inner)) return `(${inner.map(text).join(' | ')})`;
  const kind = typeof inner === 'object' && inner !== null ? Object.keys(inner)[0] : undefined;
  return kind !== undefined && ['|', '&', '^', '<<', '>>'].includes(kind) ? `(${text(inner)})` : text(inner);
}

function setText(whole: unknown, text: TextOf): string {
  const half = (inner: unknown): string => {
    const isVerdict = typeof inner === 'object' && inner !== null && ('jump' in inner || 'goto' in inner);
    return isVerdict ? verdictText(inner) : text(inner);
  };
  const elements = list(whole, whole).map(item => (Array.isArray(item) ? item.map(half).join(' : ') : text(item)));
  return `{ ${elements.join(', ')} }`;
}

function concatenated(left: unknown): readonly unknown[] {
  const parts = typeof left === 'object' && left !== null ? (left as Json)['concat'] : undefined;
  return Array.isArray(parts) ? parts : [left];
}

function isQuotedKey(left: unknown): boolean {
  const meta = typeof left === 'object' && left !== null ? (left as Json)['meta'] : undefined;
  return QUOTED_KEYS.has(String((meta as Json | undefined)?.['key']));
}

// Strings in the places of such keys, of single values, ranges, sets, maps and concatenations.
function mapLeaves(value: unknown, keys: readonly boolean[], depth: number): unknown {
  if (depth > MAX_DEPTH) throw new ParseError('nft -j', 'nested too deep', '');
  if (typeof value === 'string') return keys[0] === true && !value.startsWith('@') ? `"${value}"` : value;
  if (typeof value !== 'object' || value === null) return value;
  const { concat, set, range } = value as Json;
  if (Array.isArray(range)) return { range: range.map(item => mapLeaves(item, keys, depth + 1)) };
  if (Array.isArray(concat)) return { concat: concat.map((item, i) => mapLeaves(item, [keys[i] === true], depth + 1)) };
  if (!Array.isArray(set)) return value;
  const key = (item: unknown): unknown => mapLeaves(item, keys, depth + 1);
  return { set: set.map(item => (Array.isArray(item) ? [key(item[0]), ...item.slice(1)] : key(item))) };
}

function joined(parts: readonly unknown[], text: TextOf): string {
  return parts
    .filter(item => item !== undefined)
    .map(text)
    .join(' ');
}

function offset(body: Json): string {
  const value = body['offset'];
  return typeof value === 'number' && value !== 0 ? ` offset ${value}` : '';
}

function seed(body: Json): string {
  return typeof body['seed'] === 'number' ? ` seed ${body['seed']}` : '';
}
