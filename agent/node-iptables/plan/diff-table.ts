/**
 * What must be done to a table so that it is as wanted, as little as possible: rules that stay keep their counters, and rules and chains of
 * others are not touched.
 */
import { renderRule } from './render-rule.ts';
import type { SavedChain } from './parse-save.ts';
import type { RuleLike, TableChange } from './restore.ts';
import { BUILT_IN_CHAINS } from './rule.ts';
import type { Family, TableName } from './rule.ts';
import { splitWords } from './words.ts';

/** A rule that has to stand in a chain of the kernel or of somebody else. */
export interface Hook {
  readonly chain: string;
  readonly rule: RuleLike;
  /** Before or after what others have there. */
  readonly place: 'first' | 'last';
}

/** A table's part that is ours, as it should be. */
export interface WantedTable {
  readonly table: TableName;
  readonly chains: ReadonlyMap<string, readonly RuleLike[]>;
  readonly hooks?: readonly Hook[];
  /** Whether a chain that is there is ours: if it is not wanted it goes, with the rules that lead to it. */
  readonly owns: (chain: string) => boolean;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type ChainRule = { readonly chain: string; readonly rule: string };

/** @param found undefined if the table does not exist yet */
export function diffTable(
  wanted: WantedTable,
  found: ReadonlyMap<string, SavedChain> | undefined,
  family: Family = 'ipv4',
): TableChange {
  const text = (rule: RuleLike): string => (typeof rule === 'string' ? rule : renderRule(rule, family));
  const chains = new Map<string, readonly string[]>();
  const remove: ChainRule[] = [];
  const insert: ChainRule[] = [];
  const append: ChainRule[] = [];

  for (const [chain, rules] of wanted.chains) {
    const there = found?.get(chain)?.rules.map(rule => rule.text);
    const edits = there === undefined ? undefined : editsOf(there, rules.map(text));
    if (edits === undefined) {
      chains.set(chain, rules.map(text));
      continue;
    }
    remove.push(...edits.remove.map(rule => ({ chain, rule })));
    append.push(...edits.append.map(rule => ({ chain, rule })));
  }

  const gone = new Set([...(found?.keys() ?? [])].filter(c => wanted.owns(c) && !wanted.chains.has(c)));
  for (const [chain, saved] of found ?? []) {
    if (gone.has(chain) || wanted.chains.has(chain)) continue;
    for (const rule of saved.rules) if (gone.has(jumpsTo(rule.text) ?? '')) remove.push({ chain, rule: rule.text });
  }
  for (const hook of wanted.hooks ?? []) {
    const rule = text(hook.rule);
    if (found?.get(hook.chain)?.rules.some(saved => saved.text === rule) === true) continue;
    (hook.place === 'first' ? insert : append).push({ chain: hook.chain, rule });
  }

  const change: Mutable<TableChange> = { table: wanted.table };
  if (chains.size > 0) change.chains = chains;
  if (remove.length > 0) change.remove = remove;
  if (insert.length > 0) change.insert = insert.reverse();
  if (append.length > 0) change.append = append;
  if (gone.size > 0) change.deleteChains = [...gone].filter(chain => !BUILT_IN_CHAINS.has(chain));
  return change;
}

/** Rules to take away and rules to put at the end; undefined if that cannot lead from one list to the other. */
function editsOf(
  there: readonly string[],
  wanted: readonly string[],
): { readonly remove: string[]; readonly append: string[] } | undefined {
  const remove: string[] = [];
  let kept = 0;
  for (const rule of there) {
    if (rule === wanted[kept]) kept++;
    else remove.push(rule);
  }
  // A rule is taken away by its text, and the first that has it goes.
  if (remove.length > 0 && new Set(there).size < there.length) return undefined;
  // Writing the chain anew is then no more.
  if (kept === 0 && there.length > 0) return undefined;
  return { remove, append: wanted.slice(kept) };
}

function jumpsTo(rule: string): string | undefined {
  const words = splitWords(rule);
  const at = words.findLastIndex(word => word === '-j' || word === '-g');
  return at < 0 ? undefined : words[at + 1];
}
