/**
 * The commands that make a table of nftables as it should be, as few as possible: rules that stay keep their handles and counters, elements
 * that stay are not mentioned. One transaction, so that no packet sees anything in between.
 */
import { canonicalElement, canonicalRule, priorityNumber } from './nft-canonical.ts';
import type { NftCommand, NftElement, NftFamily, NftHook, NftRuleBody } from './nft.ts';
import type { NftSavedChain, NftSavedRule, NftSavedSet, NftSavedTable } from './nft-ruleset.ts';
import type { NftSetSpec } from './nft-set.ts';

/** A rule as it should be, spelled as nft lists it. */
export interface NftWantedRule {
  readonly statement: NftRuleBody;
  readonly comment?: string;
}

/** A chain as it should be; with a hook a base chain. */
export interface NftWantedChain {
  readonly hook?: NftHook;
  readonly rules: readonly NftWantedRule[];
}

/** A set or map as it should be. */
export interface NftWantedSet {
  readonly kind: 'set' | 'map';
  readonly spec: NftSetSpec;
  /** Undefined: what is in it is not ours, since rules fill it. */
  readonly elements?: readonly NftElement[];
}

/** A table as it should be; all that is in it is ours. */
export interface NftWantedTable {
  readonly family: NftFamily;
  readonly chains: ReadonlyMap<string, NftWantedChain>;
  readonly sets: ReadonlyMap<string, NftWantedSet>;
}

/** @param found undefined if there is no such table */
export function diffNft(wanted: NftWantedTable, found: NftSavedTable | undefined): NftCommand[] {
  if (found === undefined) return [{ kind: 'addTable' }, ...contents(wanted, undefined)];
  // What is declared cannot be changed while rules look into it: everything is made anew, in the same transaction.
  if (isRedeclared(wanted, found))
    return [{ kind: 'deleteTable' }, { kind: 'addTable' }, ...contents(wanted, undefined)];
  return contents(wanted, found);
}

// Chains first, since elements and rules lead to them; what goes goes last, when nothing leads to it any more.
function contents(wanted: NftWantedTable, found: NftSavedTable | undefined): NftCommand[] {
  const commands: NftCommand[] = [];
  for (const [chain, { hook }] of wanted.chains)
    if (found?.chains.has(chain) !== true)
      commands.push({ kind: 'addChain', chain, ...(hook === undefined ? {} : { hook }) });
  for (const [name, { kind, spec }] of wanted.sets)
    if (found?.sets.has(name) !== true) commands.push({ kind: kind === 'set' ? 'addSet' : 'addMap', name, ...spec });
  for (const [name, set] of wanted.sets) commands.push(...diffElements(name, set, found?.sets.get(name)));
  for (const [name, chain] of wanted.chains) commands.push(...diffRules(name, chain.rules, found?.chains.get(name)));
  const gone = [...(found?.chains.keys() ?? [])].filter(chain => !wanted.chains.has(chain));
  for (const chain of gone) commands.push({ kind: 'flushChain', chain });
  for (const [name, set] of found?.sets ?? [])
    if (!wanted.sets.has(name)) commands.push({ kind: set.kind === 'set' ? 'deleteSet' : 'deleteMap', name });
  for (const chain of gone) commands.push({ kind: 'deleteChain', chain });
  return commands;
}

function diffElements(set: string, wanted: NftWantedSet, found: NftSavedSet | undefined): NftCommand[] {
  if (wanted.elements === undefined) return [];
  // Spelled as nft lists them; canonical ones are looked for only if a key is not found as it is.
  const there = new Map(found?.elements.map(element => [element.key, element]));
  const add: NftElement[] = [];
  const remove: string[] = [];
  for (const element of wanted.elements) {
    const { key, value, comment } = partsOf(element);
    const saved = there.get(key) ?? there.get(canonicalElement(key));
    if (saved !== undefined) there.delete(saved.key);
    if (saved !== undefined && isSame(value, saved.value) && saved.comment === comment) continue;
    if (saved !== undefined) remove.push(saved.key);
    add.push(element);
  }
  for (const element of there.values()) remove.push(element.key);
  return [
    ...(remove.length > 0 ? [{ kind: 'deleteElements', set, elements: remove } as const] : []),
    ...(add.length > 0 ? [{ kind: 'addElements', set, elements: add } as const] : []),
  ];
}

// Rules that are the same at the beginning and at the end stay; those between go by handle, and new ones come in their place.
function diffRules(chain: string, wanted: readonly NftWantedRule[], found: NftSavedChain | undefined): NftCommand[] {
  const there = found?.rules ?? [];
  const have = there.map(textOf);
  const want = wanted.map(textOf);
  let head = 0;
  while (head < want.length && head < have.length && want[head] === have[head]) head++;
  let tail = 0;
  while (tail < Math.min(want.length, have.length) - head && want.at(-1 - tail) === have.at(-1 - tail)) tail++;
  const next = tail === 0 ? undefined : there.at(-tail);
  return [
    ...there.slice(head, there.length - tail).map(({ handle }) => ({ kind: 'deleteRule', chain, handle }) as const),
    ...wanted
      .slice(head, wanted.length - tail)
      .map((rule): NftCommand =>
        next === undefined
          ? { kind: 'addRule', chain, ...rule }
          : { kind: 'insertRule', chain, handle: next.handle, ...rule },
      ),
  ];
}

function textOf(rule: NftWantedRule | NftSavedRule): string {
  return `${canonicalRule('handle' in rule ? rule.statements : rule.statement)} # ${rule.comment ?? ''}`;
}

function isSame(one: string | undefined, other: string | undefined): boolean {
  if (one === other) return true;
  return one !== undefined && other !== undefined && canonicalElement(one) === canonicalElement(other);
}

function partsOf(element: NftElement): { key: string; value?: string | undefined; comment?: string | undefined } {
  if (typeof element !== 'string') return element;
  const [said = '', value] = element.split(' : ');
  // Elements by the ten thousand have nothing but a key.
  if (!/ (comment|counter|timeout|expires) /.test(said)) return { key: said.trim(), value };
  const head = said.replace(/\s+(counter packets \d+ bytes \d+|timeout \S+|expires \S+)/g, '');
  const [, key = head, comment] = /^(.*?)\s+comment "([^"]*)"$/.exec(head) ?? [];
  return { key: key.trim(), value, comment };
}

function isRedeclared(wanted: NftWantedTable, found: NftSavedTable): boolean {
  for (const [name, { hook }] of wanted.chains) {
    const saved = found.chains.get(name);
    if (saved === undefined) continue;
    const { hook: has } = saved;
    if ((hook === undefined) !== (has === undefined)) return true;
    if (hook === undefined || has === undefined) continue;
    const priority = priorityNumber(hook.priority, wanted.family);
    if (hook.type !== has.type || hook.hook !== has.hook || (hook.policy ?? 'accept') !== (has.policy ?? 'accept'))
      return true;
    if (priority !== undefined && priority !== has.priority) return true;
  }
  for (const [name, { kind, spec }] of wanted.sets) {
    const saved = found.sets.get(name);
    if (saved !== undefined && (saved.kind !== kind || !sameDeclaration(spec, saved))) return true;
  }
  return false;
}

// `dynamic` and `auto-merge` are not in the JSON, and of a `typeof` only the types.
function sameDeclaration(spec: NftSetSpec, saved: NftSavedSet): boolean {
  const flags = (list: readonly string[]): string =>
    list
      .filter(flag => flag !== 'dynamic')
      .toSorted()
      .join();
  return (
    (spec.type === undefined || spec.type.replace(/\s+/g, ' ').trim() === saved.type) &&
    flags(spec.flags ?? []) === flags(saved.flags) &&
    (spec.size === undefined || spec.size === saved.size) &&
    spec.timeoutSeconds === saved.timeoutSeconds &&
    (spec.counter === true) === (saved.counter === true)
  );
}
