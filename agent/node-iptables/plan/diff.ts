/**
 * What must change in a table so that its own chains are as wanted. Chains outside `owns` are nobody's business here.
 */
import type { SavedChain } from './parse-save.ts';
import { renderRule } from './render-rule.ts';
import type { RuleLike } from './restore.ts';
import type { Family } from './rule.ts';

/** Chains by what is wrong with them; together with their rules these make a `TableChange`. */
export interface ChainDiff {
  /** Missing or different: to be written whole. Names in the order wanted. */
  readonly write: string[];
  /** Owned, there, but not wanted. */
  readonly remove: string[];
  readonly unchanged: number;
}

/**
 * @param owns whether a chain found is ours; those that are not are left out
 * @param found undefined if the table does not exist yet
 */
export function diffChains(
  wanted: ReadonlyMap<string, readonly RuleLike[]>,
  found: ReadonlyMap<string, SavedChain> | undefined,
  owns: (chain: string) => boolean,
  family: Family = 'ipv4',
): ChainDiff {
  const write: string[] = [];
  let unchanged = 0;
  for (const [name, rules] of wanted) {
    const saved = found?.get(name)?.rules;
    const same =
      saved?.length === rules.length &&
      rules.every((rule, i) => (typeof rule === 'string' ? rule : renderRule(rule, family)) === saved[i]?.text);
    if (same) unchanged++;
    else write.push(name);
  }
  const remove = [...(found?.keys() ?? [])].filter(name => owns(name) && !wanted.has(name));
  return { write, remove, unchanged };
}
