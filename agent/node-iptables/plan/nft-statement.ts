/**
 * Statements of nft rules in the shape of nft's JSON, and their text. The text is taken by nft again and then lists as the same JSON.
 * Source: libnftables-json(5) and nft(8), version 1.0.6.
 */
import { expressionText, operand, valueText } from './nft-expression.ts';
import { single } from './nft-json.ts';
import type { NftExpression } from './nft-expression.ts';
import { quoted } from './nft-text.ts';

/** A statement as nft gives it: an object with one key, its kind. */
export type NftStatementJson = Readonly<Record<string, unknown>>;

type Words = string | readonly string[];

/** One statement of a rule: a condition, or something done. What has no type here is kept as JSON. */
export type NftStatement =
  /** `in`: one of several flags. */
  | {
      readonly match: {
        readonly op: '==' | '!=' | '<' | '>' | '<=' | '>=' | 'in';
        readonly left: NftExpression;
        readonly right: NftExpression;
      };
    }
  | { readonly accept: null }
  | { readonly drop: null }
  | { readonly return: null }
  | { readonly continue: null }
  | { readonly jump: { readonly target: string } }
  | { readonly goto: { readonly target: string } }
  | { readonly counter: null | { readonly packets: number; readonly bytes: number } }
  /** What a packet's key leads to: verdicts by value. */
  | { readonly vmap: { readonly key: NftExpression; readonly data: NftExpression } }
  | { readonly dnat: NftNat }
  | { readonly snat: NftNat }
  | { readonly masquerade: null | { readonly flags?: Words; readonly port?: NftExpression } }
  | { readonly redirect: null | { readonly port?: NftExpression; readonly flags?: Words } }
  /** Sets `key`, a mark for example. */
  | { readonly mangle: { readonly key: NftExpression; readonly value: NftExpression } }
  | { readonly reject: null | { readonly type?: string; readonly expr?: string } }
  | {
      readonly log: null | { readonly prefix?: string; readonly level?: string; readonly group?: number };
    }
  | {
      readonly limit: {
        readonly rate: number;
        readonly per: string;
        readonly burst?: number;
        readonly inv?: boolean;
        readonly rate_unit?: string;
        readonly burst_unit?: string;
      };
    }
  /** Adds to a set, renews or removes there what a packet holds. */
  | { readonly set: { readonly op: 'add' | 'update' | 'delete'; readonly elem: NftExpression; readonly set: string } }
  | { readonly notrack: null }
  | NftStatementJson;

/** Where address and port of a packet are changed to. */
export interface NftNat {
  readonly family?: 'ip' | 'ip6';
  readonly addr?: NftExpression;
  readonly port?: NftExpression;
  readonly flags?: Words;
}

/** Statements as one rule. @throws ParseError on what is no statement, RangeError on a string that nft cannot hold */
export function statementsText(statements: readonly NftStatement[]): string {
  return statements.map(statementText).join(' ');
}

/** @throws ParseError on what is no statement, RangeError on a string that nft cannot hold */
export function statementText(statement: NftStatement): string {
  const [kind, body, whole] = single(statement);
  const text = (name: string): string => expressionText(body[name]);
  switch (kind) {
    case 'match':
      return matchText(body);
    case 'counter':
      return typeof whole === 'string'
        ? `counter name ${quoted(whole)}`
        : `counter${opt(body, 'packets', v => ` packets ${v} bytes ${text('bytes')}`)}`;
    case 'dnat':
    case 'snat':
      return `${kind}${opt(body, 'family', v => ` ${v}`)} to ${natText(body)}${flagsText(body)}`;
    case 'redirect':
    case 'masquerade':
      return `${kind}${opt(body, 'port', v => ` to :${v}`)}${flagsText(body)}`;
    case 'tproxy':
      return `tproxy${opt(body, 'family', v => ` ${v}`)} to ${natText(body)}`;
    case 'mangle':
      return `${text('key')} set ${text('value')}`;
    case 'reject':
      return `reject${opt(body, 'type', v => ` with ${v.replace('tcp reset', 'tcp')}${v === 'tcp reset' ? ' reset' : ''}`)}${opt(body, 'expr', v => ` ${v}`)}`;
    case 'log':
      return logText(body);
    case 'limit':
      return limitText(body);
    case 'set':
      return `${text('op')} ${text('set')} { ${elementText(body['elem'])} }`;
    case 'map':
      return 'op' in body
        ? `${text('op')} ${text('map')} { ${elementText(body['elem'])} : ${text('data')} }`
        : expressionText(statement);
    case 'queue':
      return `queue${opt(body, 'flags', () => ` flags ${words(body['flags'])}`)}${opt(body, 'num', v => ` to ${v}`)}`;
    case 'ct count':
      return `ct count${body['inv'] === true ? ' over' : ''} ${text('val')}`;
    case 'ct helper':
    case 'ct timeout':
    case 'ct expectation':
      return `${kind} set ${quoted(String(whole))}`;
    case 'quota':
      return `quota${body['inv'] === true ? ' over' : ''} ${text('val')} ${text('val_unit')}`;
    case 'flow':
      return `flow ${text('op')} ${text('flowtable')}`;
    case 'notrack':
      return 'notrack';
    default:
      // Verdicts and verdict maps are expressions, too; what is not known at all comes as JSON, and no text is equal to that.
      return expressionText(statement);
  }
}

function matchText(body: NftStatementJson): string {
  const { op, left, right } = body;
  // An operation is not over before the comparison is seen.
  if (isOperation(left)) return `${expressionText(left)} ${String(op)} ${operand(right, expressionText)}`;
  return `${expressionText(left)} ${op === 'in' || op === '==' ? '' : `${String(op)} `}${valueText(left, right)}`;
}

function isOperation(value: unknown): boolean {
  return typeof value === 'object' && value !== null && ['|', '&', '^', '<<', '>>'].some(kind => kind in value);
}

function natText(body: NftStatementJson): string {
  const { addr, port } = body;
  if (port === undefined) return expressionText(addr);
  if (addr === undefined) return `:${expressionText(port)}`;
  const address = expressionText(addr);
  return `${/^[0-9a-f]*:/i.test(address) ? `[${address}]` : address}:${expressionText(port)}`;
}

function logText(body: NftStatementJson): string {
  return `log${opt(body, 'prefix', v => ` prefix ${quoted(v)}`)}${opt(body, 'level', v => ` level ${v}`)}${opt(body, 'group', v => ` group ${v}`)}${opt(body, 'snaplen', v => ` snaplen ${v}`)}${opt(body, 'queue-threshold', v => ` queue-threshold ${v}`)}${opt(body, 'flags', () => ` flags ${words(body['flags'])}`)}`;
}

function limitText(body: NftStatementJson): string {
  const unit = opt(body, 'rate_unit', v => (v === 'packets' ? '' : ` ${v}`));
  const burst = opt(body, 'burst', v => (v === '0' ? '' : ` burst ${v} ${String(body['burst_unit'] ?? 'packets')}`));
  return `limit rate${body['inv'] === true ? ' over' : ''} ${expressionText(body['rate'])}${unit}/${expressionText(body['per'])}${burst}`;
}

function elementText(item: unknown): string {
  const body = typeof item === 'object' && item !== null ? (item as NftStatementJson)['elem'] : undefined;
  if (typeof body !== 'object' || body === null) return expressionText(item);
  const { val, timeout, comment } = body as NftStatementJson;
  const age = timeout === undefined ? '' : ` timeout ${expressionText(timeout)}s`;
  return `${expressionText(val)}${age}${typeof comment === 'string' ? ` comment ${quoted(comment)}` : ''}`;
}

function opt(body: NftStatementJson, name: string, text: (value: string) => string): string {
  const value = body[name];
  return value === undefined || value === null ? '' : text(expressionText(value));
}

function flagsText(body: NftStatementJson): string {
  return opt(body, 'flags', () => ` ${words(body['flags'])}`);
}

function words(value: unknown): string {
  return [value].flat().map(String).join(',');
}
