/**
 * What `nft -j list ...` prints, as values. Keys and values of elements become text again, spelled as nft's own listing spells
 * them, so that they can be compared with what was written; statements of rules stay the JSON that nft gave.
 *
 * Not in the JSON of 1.0.6, and therefore not here: comments of tables and chains, the flag `dynamic`, `auto-merge`.
 * Source: libnftables-json(5), version 1.0.6.
 */
import { field, isObject, list, number, optional, single, string, words } from './nft-json.ts';
import { ParseError } from './parse-error.ts';
import { expressionText, verdictText } from './nft-expression.ts';
import type { NftStatementJson } from './nft-statement.ts';
import type { NftFamily } from './nft.ts';
import type { Counters } from './rule.ts';

/** A rule as listed. */
export interface NftSavedRule {
  /** The kernel's number of it within its table; a rule written anew gets another. */
  readonly handle: number;
  readonly comment?: string;
  readonly statements: readonly NftStatementJson[];
  /** Of its first anonymous counter. */
  readonly counters?: Counters;
}

/** A chain as listed; `hook` makes it a base chain. */
export interface NftSavedChain {
  readonly name: string;
  readonly handle: number;
  readonly hook?: {
    readonly type: string;
    readonly hook: string;
    readonly priority: number;
    readonly policy?: string;
    readonly device?: string;
  };
  readonly comment?: string;
  readonly rules: NftSavedRule[];
}

/** An element as listed. */
export interface NftSavedElement {
  /** `10.0.0.1 . tcp . 80` */
  readonly key: string;
  /** Of maps: `goto svc`, `10.244.0.7 . 8080`. */
  readonly value?: string;
  readonly comment?: string;
  readonly timeoutSeconds?: number;
  readonly expiresSeconds?: number;
  readonly counters?: Counters;
}

/** A set or map as listed. */
export interface NftSavedSet {
  readonly kind: 'set' | 'map';
  readonly name: string;
  readonly handle: number;
  /** As in a declaration: `ipv4_addr . inet_service`, of maps with ` : verdict` and the like. */
  readonly type: string;
  readonly flags: readonly string[];
  readonly size?: number;
  readonly timeoutSeconds?: number;
  readonly gcIntervalSeconds?: number;
  readonly counter?: true;
  readonly comment?: string;
  /** Empty if listed tersely. */
  readonly elements: readonly NftSavedElement[];
}

/** A table as listed. */
export interface NftSavedTable {
  readonly family: NftFamily;
  readonly name: string;
  readonly handle: number;
  readonly comment?: string;
  readonly chains: Map<string, NftSavedChain>;
  readonly sets: Map<string, NftSavedSet>;
  /** Flow tables, named counters, quotas and the like, as they came. */
  readonly others: NftStatementJson[];
}

/** Tables by `family name`, `ip filter`. A listing of one chain or set gives its table with nothing else in it. */
export type NftSavedTables = Map<string, NftSavedTable>;

/** @throws ParseError on anything that `nft -j list` does not print */
export function parseNftJson(text: string): NftSavedTables {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw new ParseError('nft -j', 'no JSON', text.slice(0, 100), { cause });
  }
  const tables: NftSavedTables = new Map();
  for (const item of list(field(document, 'nftables'), document)) {
    const [kind, , body] = single(item);
    if (kind === 'metainfo') continue;
    if (kind === 'table') {
      tableOf(tables, string(body, 'family'), string(body, 'name'), number(body, 'handle'), optional(body, 'comment'));
      continue;
    }
    const table = tableOf(tables, string(body, 'family'), string(body, 'table'));
    if (kind === 'chain') table.chains.set(string(body, 'name'), parseChain(body));
    else if (kind === 'rule') ruleChain(table, string(body, 'chain')).rules.push(parseRuleJson(body));
    else if (kind === 'set' || kind === 'map') table.sets.set(string(body, 'name'), parseSet(kind, body));
    else table.others.push(item as NftStatementJson);
  }
  return tables;
}

function tableOf(tables: NftSavedTables, family: string, name: string, handle = 0, comment?: unknown): NftSavedTable {
  const key = `${family} ${name}`;
  let table = tables.get(key);
  if (table === undefined) {
    const said = typeof comment === 'string' ? { comment } : {};
    table = { family: family as NftFamily, name, handle, ...said, chains: new Map(), sets: new Map(), others: [] };
    tables.set(key, table);
  }
  return table;
}

function ruleChain(table: NftSavedTable, name: string): NftSavedChain {
  const chain = table.chains.get(name);
  if (chain === undefined) throw new ParseError('nft -j', 'rule of an unlisted chain', name);
  return chain;
}

function parseChain(body: unknown): NftSavedChain {
  const hook = optional(body, 'hook');
  const policy = optional(body, 'policy');
  const device = optional(body, 'dev');
  return {
    name: string(body, 'name'),
    handle: number(body, 'handle'),
    ...(hook === undefined
      ? {}
      : {
          hook: {
            type: string(body, 'type'),
            hook: string(body, 'hook'),
            priority: number(body, 'prio'),
            ...(policy === undefined ? {} : { policy: string(body, 'policy') }),
            ...(typeof device === 'string' ? { device } : {}),
          },
        }),
    ...commentOf(body),
    rules: [],
  };
}

function parseRuleJson(body: unknown): NftSavedRule {
  const statements = list(field(body, 'expr'), body).map(item => {
    // Newer versions print a bare word for a statement that has no kind of its own.
    if (typeof item === 'string') return { [item]: null };
    single(item);
    return item as NftStatementJson;
  });
  const counter = statements.find(statement => isObject(statement['counter']))?.['counter'];
  return {
    handle: number(body, 'handle'),
    ...commentOf(body),
    statements,
    ...(counter === undefined ? {} : { counters: parseCounters(counter) }),
  };
}

function parseSet(kind: 'set' | 'map', body: unknown): NftSavedSet {
  const value = optional(body, 'map');
  const type = typeText(field(body, 'type')) + (value === undefined ? '' : ` : ${typeText(value)}`);
  const statements = optional(body, 'stmt');
  const counter = Array.isArray(statements) && statements.some(s => isObject(s) && 'counter' in s);
  const elements = optional(body, 'elem');
  return {
    kind,
    name: string(body, 'name'),
    handle: number(body, 'handle'),
    type,
    flags: optional(body, 'flags') === undefined ? [] : words(field(body, 'flags'), body),
    ...numberAs(body, 'size', 'size'),
    ...numberAs(body, 'timeout', 'timeoutSeconds'),
    ...numberAs(body, 'gc-interval', 'gcIntervalSeconds'),
    ...(counter ? { counter: true } : {}),
    ...commentOf(body),
    elements: elements === undefined ? [] : list(elements, body).map(item => parseElement(kind, item)),
  };
}

function parseElement(kind: 'set' | 'map', item: unknown): NftSavedElement {
  if (kind === 'set') return parseKey(item);
  const [key, value] = list(item, item);
  return { ...parseKey(key), value: isVerdict(value) ? verdictText(value) : expressionText(value) };
}

function parseKey(item: unknown): NftSavedElement {
  const body = isObject(item) ? item['elem'] : undefined;
  if (body === undefined) return { key: expressionText(item) };
  const counter = optional(body, 'counter');
  return {
    key: expressionText(field(body, 'val')),
    ...commentOf(body),
    ...numberAs(body, 'timeout', 'timeoutSeconds'),
    ...numberAs(body, 'expires', 'expiresSeconds'),
    ...(counter === undefined ? {} : { counters: parseCounters(counter) }),
  };
}

function parseCounters(body: unknown): Counters {
  return { packets: number(body, 'packets'), bytes: number(body, 'bytes') };
}

function isVerdict(value: unknown): boolean {
  return isObject(value) && ['accept', 'drop', 'continue', 'return', 'jump', 'goto'].some(verdict => verdict in value);
}

// One type, several joined, or (of a `typeof` whose parts have no name) an expression.
function typeText(type: unknown): string {
  if (typeof type === 'string') return type;
  if (Array.isArray(type)) return type.map(typeText).join(' . ');
  return expressionText(type);
}

function commentOf(body: unknown): { comment?: string } {
  const comment = optional(body, 'comment');
  return typeof comment === 'string' ? { comment } : {};
}

function numberAs<K extends string>(body: unknown, name: string, as: K): { [P in K]?: number } {
  const value = optional(body, name);
  return (typeof value === 'number' ? { [as]: value } : {}) as { [P in K]?: number };
}
