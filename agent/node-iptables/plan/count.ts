/** How much there is, and how much passed it. Packets that pass several rules count with each. */
import type { NftSavedTable } from './nft-ruleset.ts';
import type { SavedChain, SavedTables } from './parse-save.ts';
import type { Counters, TableName } from './rule.ts';

/** Of one chain or several. */
export interface RuleCount extends Counters {
  readonly chains: number;
  readonly rules: number;
}

/** Of one table of nftables. */
export interface NftCount extends RuleCount {
  /** Sets and maps. */
  readonly sets: number;
  readonly elements: number;
}

const NOTHING: RuleCount = { chains: 0, rules: 0, packets: 0, bytes: 0 };

/** By table; packets and bytes are 0 if saved without counters. */
export function countTables(tables: SavedTables): Map<TableName, RuleCount> {
  return new Map(Array.from(tables, ([table, chains]) => [table, countChains(chains.values())]));
}

export function countChains(chains: Iterable<SavedChain>): RuleCount {
  let count = NOTHING;
  for (const { rules } of chains)
    count = add({ ...count, chains: count.chains + 1, rules: count.rules + rules.length }, rules);
  return count;
}

/** Elements are counted where sets count, rules where they have a counter. */
export function countNft(table: NftSavedTable): NftCount {
  let count: NftCount = { ...NOTHING, sets: table.sets.size, elements: 0 };
  for (const { rules } of table.chains.values())
    count = add({ ...count, chains: count.chains + 1, rules: count.rules + rules.length }, rules);
  for (const { elements } of table.sets.values())
    count = add({ ...count, elements: count.elements + elements.length }, elements);
  return count;
}

function add<T extends Counters>(count: T, items: readonly { readonly counters?: Counters }[]): T {
  let { packets, bytes } = count;
  for (const { counters } of items) {
    packets += counters?.packets ?? 0;
    bytes += counters?.bytes ?? 0;
  }
  return { ...count, packets, bytes };
}
