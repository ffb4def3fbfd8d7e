/** The output of `ipset save` as values that `renderIpset()` takes again. Source: ipset(8), version 7.17. */
import type { IpsetEntry, IpsetSpec, IpsetType } from './ipset.ts';
import { ParseError } from './parse-error.ts';
import type { Counters } from './rule.ts';

/** An entry as saved. */
export interface IpsetSavedEntry extends IpsetEntry {
  /** Present if the set counts. */
  readonly counters?: Counters;
}

/** A set as saved. `options` holds what has no field of its own. */
export interface IpsetSaved extends IpsetSpec {
  readonly entries: IpsetSavedEntry[];
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * Sets by name.
 * @throws ParseError on a line that `ipset save` does not print
 */
export function parseIpsetSave(text: string): Map<string, IpsetSaved> {
  const sets = new Map<string, IpsetSaved>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const words = ipsetWords(line);
    const [verb, name, what] = words;
    if (name === undefined || what === undefined) throw notSaved(line);
    if (verb === 'create') sets.set(name, parseCreate(name, what, words.slice(3)));
    else if (verb === 'add') {
      const set = sets.get(name);
      if (set === undefined) throw notSaved(line);
      set.entries.push(parseEntry(name, what, words.slice(3)));
    } else throw notSaved(line);
  }
  return sets;
}

function parseCreate(set: string, type: string, words: readonly string[]): IpsetSaved {
  const saved: Mutable<IpsetSaved> = { set, type: type as IpsetType, entries: [] };
  const options: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    if (word === 'counters') saved.counters = true;
    else if (word === 'comment') saved.comments = true;
    else if (word === 'family') saved.family = words[++i] === 'inet6' ? 'ipv6' : 'ipv4';
    else if (word === 'hashsize') saved.hashSize = Number(words[++i]);
    else if (word === 'maxelem') saved.maxElements = Number(words[++i]);
    else if (word === 'timeout') saved.timeoutSeconds = Number(words[++i]);
    else options.push(word);
  }
  return options.length === 0 ? saved : { ...saved, options };
}

function parseEntry(set: string, entry: string, words: readonly string[]): IpsetSavedEntry {
  const saved: Mutable<IpsetSavedEntry> = { set, entry };
  const options: string[] = [];
  let counters: Mutable<Counters> | undefined;
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    if (word === 'nomatch') saved.noMatch = true;
    else if (word === 'timeout') saved.timeoutSeconds = Number(words[++i]);
    else if (word === 'comment') saved.comment = words[++i] ?? '';
    else if (word === 'packets') (counters ??= { packets: 0, bytes: 0 }).packets = Number(words[++i]);
    else if (word === 'bytes') (counters ??= { packets: 0, bytes: 0 }).bytes = Number(words[++i]);
    else options.push(word);
  }
  if (counters !== undefined) saved.counters = counters;
  return options.length === 0 ? saved : { ...saved, options };
}

/** Quotes group words; there is no escape. */
function ipsetWords(line: string): string[] {
  return Array.from(line.matchAll(/"([^"]*)"|[^\s"]+/g), match => match[1] ?? match[0]);
}

function notSaved(line: string): ParseError {
  return new ParseError('ipset save', 'no set or entry', line);
}
