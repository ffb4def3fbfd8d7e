/**
 * A change to one or more tables as one input for `iptables-restore --noflush`: each table is committed as a whole or not at
 * all, and nothing that the change does not name is touched.
 *
 * Order within a table: declare (makes the chain or empties it), remove single rules, insert, append, delete chains. So a
 * chain may be deleted in the very change that rewrites whatever still pointed to it.
 */
import { renderRule } from './render-rule.ts';
import { word } from './words.ts';
import { BUILT_IN_CHAINS } from './rule.ts';
import type { Family, Rule, TableName } from './rule.ts';

/** A rule, or its text without `-A CHAIN` if it was rendered before. */
export type RuleLike = Rule | string;

/** What happens in one table. */
export interface TableChange {
  readonly table: TableName;
  /** Made or emptied, then filled with exactly these rules. Built-in chains are refused: they hold others' rules. */
  readonly chains?: ReadonlyMap<string, readonly RuleLike[]>;
  /** Rules that go, each given as it was written. The whole change fails if one is absent. */
  readonly remove?: readonly { readonly chain: string; readonly rule: RuleLike }[];
  /** Rules put before all others of a chain. */
  readonly insert?: readonly { readonly chain: string; readonly rule: RuleLike }[];
  /** Rules put after all others of a chain. */
  readonly append?: readonly { readonly chain: string; readonly rule: RuleLike }[];
  /** Own chains that go, with all their rules. They must exist. */
  readonly deleteChains?: readonly string[];
}

/**
 * The input for `iptables-restore --noflush`.
 * @throws RangeError if a built-in chain would be emptied or a name is not one
 */
export function renderRestore(changes: readonly TableChange[], family: Family = 'ipv4'): string {
  const lines: string[] = [];
  const text = (rule: RuleLike): string => (typeof rule === 'string' ? rule : renderRule(rule, family));
  for (const change of changes) {
    lines.push(`*${change.table}`);
    for (const name of change.chains?.keys() ?? []) lines.push(`:${chainName(name)} - [0:0]`);
    for (const name of change.deleteChains ?? []) lines.push(`:${chainName(name)} - [0:0]`);
    for (const { chain, rule } of change.remove ?? []) lines.push(`-D ${chain} ${text(rule)}`);
    for (const [name, rules] of change.chains ?? []) for (const rule of rules) lines.push(`-A ${name} ${text(rule)}`);
    for (const { chain, rule } of change.insert ?? []) lines.push(`-I ${chain} 1 ${text(rule)}`);
    for (const { chain, rule } of change.append ?? []) lines.push(`-A ${chain} ${text(rule)}`);
    for (const name of change.deleteChains ?? []) lines.push(`-X ${name}`);
    lines.push('COMMIT');
  }
  lines.push('');
  return lines.join('\n');
}

/** Whether the change does nothing. */
export function isEmptyChange(change: TableChange): boolean {
  return (
    (change.chains?.size ?? 0) === 0 &&
    (change.remove?.length ?? 0) === 0 &&
    (change.insert?.length ?? 0) === 0 &&
    (change.append?.length ?? 0) === 0 &&
    (change.deleteChains?.length ?? 0) === 0
  );
}

function chainName(name: string): string {
  if (BUILT_IN_CHAINS.has(name)) throw new RangeError(`built-in chain ${name} must not be emptied`);
  if (name.length === 0 || name.length > 28 || name.startsWith('-') || /\s/.test(name)) {
    throw new RangeError(`${JSON.stringify(name)} is no chain name: 1 to 28 characters without spaces`);
  }
  return word(name);
}
