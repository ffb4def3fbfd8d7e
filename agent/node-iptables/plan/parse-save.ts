/**
 * The output of `iptables-save [-c]` as values. Rules stay text until someone asks for one (`parseRule`): a table of ten
 * thousand services is read to compare a few chains.
 */
import { ParseError } from './parse-error.ts';
import type { Counters, TableName } from './rule.ts';

/** A rule as `iptables-save` printed it. */
export interface SavedRule {
  /** Without `-A CHAIN`; canonical, so equal rules have equal text. */
  readonly text: string;
  /** Present if saved with counters. */
  readonly counters?: Counters;
}

/** A chain as saved. */
export interface SavedChain {
  /** Absent for own chains. */
  readonly policy?: string;
  readonly counters: Counters;
  readonly rules: SavedRule[];
}

/** Tables by name, chains by name. */
export type SavedTables = Map<TableName, Map<string, SavedChain>>;

const CHAIN_LINE = /^:(\S+) (\S+)(?: \[(\d+):(\d+)\])?$/;
const RULE_LINE = /^(?:\[(\d+):(\d+)\] )?-A (\S+) ?(.*)$/s;

/** @throws ParseError on a line that `iptables-save` does not print */
export function parseSave(text: string): SavedTables {
  const tables: SavedTables = new Map();
  let chains: Map<string, SavedChain> | undefined;
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    if (line.startsWith('*')) {
      chains = new Map();
      tables.set(line.slice(1) as TableName, chains);
      continue;
    }
    if (line === 'COMMIT') {
      chains = undefined;
      continue;
    }
    const chain = CHAIN_LINE.exec(line);
    const rule = chain === null ? RULE_LINE.exec(line) : null;
    if (chains === undefined || (chain === null && rule === null))
      throw new ParseError('iptables-save', 'no line of a table', line);
    if (chain !== null) {
      const [, name = '', policy = '-', packets = '0', bytes = '0'] = chain;
      const counters = { packets: Number(packets), bytes: Number(bytes) };
      chains.set(name, { ...(policy === '-' ? {} : { policy }), counters, rules: [] });
    } else if (rule !== null) {
      const [, packets, bytes, name = '', words = ''] = rule;
      const counters = packets === undefined ? {} : { counters: { packets: Number(packets), bytes: Number(bytes) } };
      const target = chains.get(name);
      if (target === undefined) throw new ParseError('iptables-save', 'rule of an undeclared chain', line);
      target.rules.push({ text: words, ...counters });
    }
  }
  return tables;
}
