/**
 * Sets of the kernel that iptables rules look into, and the input for `ipset restore`. Each line stands alone: sets have no
 * transactions, and lines before a refused one may have been carried out. `swap` is what makes a change of a whole set atomic.
 * Source: ipset(8), version 7.17.
 */
import type { Family } from './rule.ts';

/** What a set holds: `hash:ip`, `hash:net`, `hash:ip,port`, `hash:net,port`, `hash:ip,port,net`, `bitmap:port`, `list:set`... */
export type IpsetType = `${'hash' | 'bitmap' | 'list'}:${string}`;

/** A set's declaration. */
export interface IpsetSpec {
  readonly set: string;
  readonly type: IpsetType;
  /** Of `hash` types alone; default `ipv4`. */
  readonly family?: Family;
  /** Buckets at the start; the kernel adds more as it fills. */
  readonly hashSize?: number;
  /** Default 65,536. */
  readonly maxElements?: number;
  /** Age of entries that say nothing themselves; 0 lets entries have one each. */
  readonly timeoutSeconds?: number;
  /** Entries count packets and bytes. */
  readonly counters?: boolean;
  /** Entries may have comments. */
  readonly comments?: boolean;
  /** More words, as `ipset create` takes them: `['netmask', '24']`. */
  readonly options?: readonly string[];
}

/** An entry of a set. */
export interface IpsetEntry {
  readonly set: string;
  /** `10.0.0.0/8`, `10.0.0.1,tcp:80`, `fd00::/64,udp:53`. */
  readonly entry: string;
  readonly timeoutSeconds?: number;
  /** Of `net` types: not matched though a larger net is. */
  readonly noMatch?: boolean;
  /** At most 255 characters. */
  readonly comment?: string;
  /** More words. */
  readonly options?: readonly string[];
}

/** What to do, in order. */
export type IpsetCommand =
  | ({ readonly kind: 'create' } & IpsetSpec)
  | ({ readonly kind: 'add' } & IpsetEntry)
  | { readonly kind: 'del'; readonly set: string; readonly entry: string; readonly options?: readonly string[] }
  /** The two exchange their entries; both must exist and be of one type. */
  | { readonly kind: 'swap' | 'rename'; readonly set: string; readonly other: string }
  | { readonly kind: 'flush' | 'destroy'; readonly set: string };

const PRINTABLE = /^[\u0020-\u007e]*$/;

/** @throws RangeError if a word is empty or holds a space or control character, or a name is too long */
export function renderIpset(commands: readonly IpsetCommand[]): string {
  const lines: string[] = [];
  for (const command of commands) lines.push(words(command).join(' '));
  return lines.length === 0 ? '' : lines.join('\n') + '\n';
}

function words(command: IpsetCommand): readonly string[] {
  const set = setName(command.set);
  switch (command.kind) {
    case 'create':
      return ['create', set, ...specWords(command)];
    case 'add':
      return ['add', set, ...entryWords(command)];
    case 'del':
      return ['del', set, checked(command.entry), ...(command.options ?? []).map(checked)];
    case 'swap':
    case 'rename':
      return [command.kind, set, setName(command.other)];
    case 'flush':
    case 'destroy':
      return [command.kind, set];
  }
}

/** The declaration without the set's name. */
export function specWords(spec: IpsetSpec): string[] {
  const list: string[] = [checked(spec.type)];
  if (spec.type.startsWith('hash:') && spec.family !== undefined)
    list.push('family', spec.family === 'ipv6' ? 'inet6' : 'inet');
  if (spec.hashSize !== undefined) list.push('hashsize', String(spec.hashSize));
  if (spec.maxElements !== undefined) list.push('maxelem', String(spec.maxElements));
  if (spec.timeoutSeconds !== undefined) list.push('timeout', String(spec.timeoutSeconds));
  if (spec.counters === true) list.push('counters');
  if (spec.comments === true) list.push('comment');
  return [...list, ...(spec.options ?? []).map(checked)];
}

/** The entry without the set's name. */
export function entryWords(entry: IpsetEntry): string[] {
  const list = [checked(entry.entry)];
  if (entry.timeoutSeconds !== undefined) list.push('timeout', String(entry.timeoutSeconds));
  if (entry.noMatch === true) list.push('nomatch');
  if (entry.comment !== undefined) list.push('comment', quotedComment(entry.comment));
  for (const option of entry.options ?? []) list.push(checked(option));
  return list;
}

// ipset has no escape inside quotes.
function quotedComment(text: string): string {
  if (!PRINTABLE.test(text) || text.includes('"') || text.length > 255)
    throw new RangeError(`${JSON.stringify(text)} is no comment for ipset: at most 255 characters, no double quote`);
  return `"${text}"`;
}

function setName(name: string): string {
  if (name.length > 31) throw new RangeError(`${JSON.stringify(name)} is no set name: at most 31 characters`);
  return checked(name);
}

function checked(text: string): string {
  if (!/^[\u0021-\u007e]+$/.test(text)) throw new RangeError(`${JSON.stringify(text)} is no word for ipset`);
  return text;
}
