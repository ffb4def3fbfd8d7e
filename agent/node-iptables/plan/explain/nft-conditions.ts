/** Whether conditions of nftables hold for a packet, and which elements of a map are for it. */
import { cidrContains } from '../address.ts';
import { canonicalElement } from '../nft-canonical.ts';
import { expressionText } from '../nft-expression.ts';
import { single } from '../nft-json.ts';
import type { NftSavedElement, NftSavedTable } from '../nft-ruleset.ts';
import type { NftStatementJson } from '../nft-statement.ts';
import { answer, isInterface } from './packet.ts';
import type { Answer, Packet } from './packet.ts';

const MAX_ELEMENTS = 1_000;

/** Elements of the map that a statement looks into. */
export interface Found {
  /** Those that are for the packet, or may be; at most 1,000. */
  readonly elements: readonly NftSavedElement[];
  /** All elements of the map were looked at. */
  readonly isComplete: boolean;
  /** Exactly one, and for sure. */
  readonly isSure: boolean;
}

/** Of one statement; what is no condition holds. */
export function conditionHolds(table: NftSavedTable, statement: NftStatementJson, packet: Packet): Answer {
  const [kind, body] = single(statement);
  if (kind === 'limit' || kind === 'quota') return 'perhaps';
  if (kind !== 'match') return 'yes';
  const { op, left, right } = body;
  if (op !== '==' && op !== '!=' && op !== 'in') return 'perhaps';
  const values = leftValues(left, packet);
  const holds = values === undefined ? undefined : contains(table, right, values);
  return answer(holds, op === '!=');
}

/** What the packet has where the expression looks, a part each of a concatenation; undefined for parts that are not known. */
function leftValues(left: unknown, packet: Packet): readonly (string | undefined)[] {
  if (typeof left !== 'object' || left === null) return [undefined];
  const parts = 'concat' in left && Array.isArray(left.concat) ? (left.concat as readonly unknown[]) : [left];
  return parts.map(part => valueOf(expressionText(part), packet));
}

function valueOf(expression: string, packet: Packet): string | undefined {
  const isProtocol = (name: string): boolean => name === 'th' || name === packet.protocol;
  const [first = '', second] = expression.split(' ');
  if (second === 'saddr' || second === 'daddr') {
    const address = second === 'saddr' ? packet.source : packet.destination;
    return address === undefined || address.includes(':') !== (first === 'ip6') ? undefined : canonicalElement(address);
  }
  if (second === 'sport' && isProtocol(first)) return packet.sourcePort?.toString();
  if (second === 'dport' && isProtocol(first)) return packet.destinationPort?.toString();
  switch (expression) {
    case 'meta l4proto':
    case 'ip protocol':
    case 'ip6 nexthdr':
      return packet.protocol;
    case 'meta mark':
      return packet.mark?.toString();
    case 'iifname':
      return packet.inInterface;
    case 'oifname':
      return packet.outInterface;
    case 'ct state':
      return packet.state?.toLowerCase();
    case 'fib daddr type':
      return packet.isLocal === true ? 'local' : undefined;
    default:
      return undefined;
  }
}

function contains(table: NftSavedTable, right: unknown, values: readonly (string | undefined)[]): boolean | undefined {
  if (typeof right === 'string' && right.startsWith('@')) {
    const set = table.sets.get(right.slice(1));
    if (set === undefined || set.elements.length === 0) return undefined;
    return anyOf(set.elements.map(element => keyHolds(element.key, values)));
  }
  const body = typeof right === 'object' && right !== null ? (right as NftStatementJson) : {};
  const list = Array.isArray(right) ? right : Array.isArray(body['set']) ? (body['set'] as unknown[]) : [right];
  return anyOf(list.map(item => keyHolds(expressionText(item), values)));
}

/** Undefined if the statement looks into no map. */
export function lookUp(table: NftSavedTable, statement: NftStatementJson, packet: Packet): Found | undefined {
  const place = lookUpPlace(statement);
  if (place === undefined) return undefined;
  const values = leftValues(place.key, packet);
  const name = typeof place.data === 'string' ? place.data.slice(1) : '';
  const elements = table.sets.get(name)?.elements ?? anonymous(place.data);
  const found: NftSavedElement[] = [];
  let isSure = true;
  for (const element of elements) {
    const holds = keyHolds(element.key, values);
    if (holds === false) continue;
    if (holds === undefined) isSure = false;
    if (found.length < MAX_ELEMENTS) found.push(element);
  }
  return { elements: found, isComplete: elements.length > 0, isSure: isSure && found.length === 1 };
}

function lookUpPlace(statement: NftStatementJson): { readonly key: unknown; readonly data: unknown } | undefined {
  const [kind, body] = single(statement);
  if (kind === 'vmap') return { key: body['key'], data: body['data'] };
  const address = kind === 'dnat' || kind === 'snat' ? body['addr'] : undefined;
  if (typeof address !== 'object' || address === null || !('map' in address)) return undefined;
  const { key, data } = address.map as NftStatementJson;
  return { key, data };
}

function anonymous(data: unknown): readonly NftSavedElement[] {
  const pairs = typeof data === 'object' && data !== null ? (data as NftStatementJson)['set'] : undefined;
  if (!Array.isArray(pairs)) return [];
  return pairs.flatMap((pair): NftSavedElement[] =>
    Array.isArray(pair) ? [{ key: expressionText(pair[0]), value: expressionText(pair[1]) }] : [],
  );
}

function keyHolds(key: string, values: readonly (string | undefined)[]): boolean | undefined {
  const parts = values.length === 1 ? [key] : key.split(' . ');
  return allOf(values.map((value, i) => (value === undefined ? undefined : partHolds(parts[i] ?? '', value))));
}

function partHolds(part: string, value: string): boolean {
  if (part === value || canonicalElement(part) === value) return true;
  if (part.endsWith('*')) return isInterface(value, part, '*') === true;
  const [low, high] = part.split('-');
  if (low !== undefined && high !== undefined && /^\d+$/.test(low + high))
    return Number(low) <= Number(value) && Number(value) <= Number(high);
  try {
    return part.includes('/') && cidrContains(part, value);
  } catch {
    return false;
  }
}

function anyOf(answers: readonly (boolean | undefined)[]): boolean | undefined {
  return answers.includes(true) ? true : answers.includes(undefined) ? undefined : false;
}

function allOf(answers: readonly (boolean | undefined)[]): boolean | undefined {
  return answers.includes(false) ? false : answers.includes(undefined) ? undefined : true;
}
