/**
 * The steps of a full write: at start, and when someone else changed our rules. Chains that are right already stay untouched, so
 * a restart drops no connection.
 *
 * Order: base chains; chains of services, in batches (one transaction of everything is quadratic in the kernel's tools); then shared
 * chains and hooks in one transaction; then chains that nobody wants any more.
 */
import { renderRule } from '../../node-iptables/plan/render-rule.ts';
import type { SavedChain, SavedTables } from '../../node-iptables/plan/parse-save.ts';
import type { RuleLike, TableChange } from '../../node-iptables/plan/restore.ts';
import type { Family, Rule, TableName } from '../../node-iptables/plan/rule.ts';
import { BUILT_IN_CHAINS } from '../../node-iptables/plan/rule.ts';
import { isServiceChain } from './chain-names.ts';
import { HOOKS, PROXY_TABLES, SHARED_CHAINS, baseChains, sharedTail } from './iptables-base.ts';
import type { ProxyTable } from './iptables-base.ts';
import { sharedRule } from './iptables-delta.ts';
import type { RenderedService } from './iptables-delta.ts';
import type { NodeModel } from './model.ts';

/** Chains made or emptied by one transaction at most. */
export const CHAINS_PER_BATCH = 3_000;

type Chains = ReadonlyMap<string, SavedChain>;

/** First: what everything else points to. Empty shared chains are made if missing, never emptied here. */
export function baseChanges(saved: SavedTables, node: NodeModel): TableChange[] {
  return PROXY_TABLES.map(table => {
    const found = saved.get(table);
    const chains = new Map<string, Rule[]>();
    for (const [name, rules] of baseChains(table, node))
      if (!isSame(found?.get(name), rules, node)) chains.set(name, rules);
    for (const name of SHARED_CHAINS[table]) if (found?.has(name) !== true) chains.set(name, []);
    return { table, chains };
  });
}

/** Chains of a service that the kernel does not have as wanted. */
export function staleServiceChains(saved: SavedTables, service: RenderedService): Map<string, readonly string[]> {
  const found = saved.get('nat');
  return new Map([...service.chains].filter(([name, rules]) => !isSameText(found?.get(name), rules)));
}

/** Shared chains with the rules of all services, and the hooks that are missing. */
export function sharedChanges(saved: SavedTables, shared: readonly string[], node: NodeModel): TableChange[] {
  const wanted = new Map<string, RuleLike[]>();
  for (const text of shared) {
    const { table, chain, rule } = sharedRule(text);
    const key = `${table} ${chain}`;
    const list = wanted.get(key) ?? [];
    list.push(rule);
    wanted.set(key, list);
  }
  return PROXY_TABLES.map(table => {
    const chains = new Map<string, RuleLike[]>();
    for (const name of SHARED_CHAINS[table]) {
      const rules = [...(wanted.get(`${table} ${name}`) ?? []), ...sharedTail(table, name)];
      if (!isSameSet(saved.get(table)?.get(name), rules, node)) chains.set(name, rules);
    }
    return { table, chains, insert: missingHooks(table, saved.get(table), node) };
  });
}

/** Chains of services that are gone, in batches, those that point to others first. */
export function leftoverChains(saved: SavedTables, wanted: ReadonlySet<string>): TableChange[][] {
  const names = [...(saved.get('nat')?.keys() ?? [])].filter(name => isServiceChain(name) && !wanted.has(name));
  return deletions('nat', names);
}

/** Everything of ours: hooks, chains and rules of others that jump to them. */
export function cleanupChanges(saved: SavedTables, node: NodeModel): TableChange[][] {
  const steps: TableChange[][] = [];
  for (const table of PROXY_TABLES) {
    const found = saved.get(table);
    if (found === undefined) continue;
    const base = new Set([...SHARED_CHAINS[table], ...baseChains(table, node).keys()]);
    const isOurs = (chain: string): boolean => base.has(chain) || (table === 'nat' && isServiceChain(chain));
    const jumps = [...found]
      .filter(([name]) => !isOurs(name))
      .flatMap(([chain, { rules }]) =>
        rules.filter(r => isOurs(jumpTarget(r.text))).map(r => ({ chain, rule: r.text })),
      );
    const present = (names: Iterable<string>): string[] => [...names].filter(name => found.has(name));
    const entrances = present(SHARED_CHAINS[table]);
    steps.push([{ table, remove: jumps, chains: new Map(entrances.map(name => [name, []])) }]);
    if (table === 'nat') steps.push(...deletions(table, [...found.keys()].filter(isServiceChain)));
    steps.push([{ table, deleteChains: present(base) }]);
  }
  return steps;
}

/** Hooks that are not in the chains they belong to. */
export function missingHooks(
  table: ProxyTable,
  found: Chains | undefined,
  node: NodeModel,
): { chain: string; rule: string }[] {
  return HOOKS.filter(hook => hook.table === table)
    .map(hook => ({ chain: hook.chain, rule: renderRule(hook.rule, familyOf(node)) }))
    .filter(({ chain, rule }) => found?.get(chain)?.rules.some(r => r.text === rule) !== true);
}

function deletions(table: TableName, names: readonly string[]): TableChange[][] {
  const rank = (name: string): number =>
    ['KUBE-FW-', 'KUBE-EXT', 'KUBE-SV', 'KUBE-SEP'].findIndex(p => name.startsWith(p));
  const sorted = [...names].sort((a, b) => rank(a) - rank(b));
  const steps: TableChange[][] = [];
  for (let i = 0; i < sorted.length; i += CHAINS_PER_BATCH) {
    steps.push([{ table, deleteChains: sorted.slice(i, i + CHAINS_PER_BATCH) }]);
  }
  return steps;
}

function jumpTarget(rule: string): string {
  const chain = /(?:^| )-[jg] (\S+)$/.exec(rule)?.[1] ?? '';
  return BUILT_IN_CHAINS.has(chain) ? '' : chain;
}

function familyOf(node: NodeModel): Family {
  return node.family === 'IPv4' ? 'ipv4' : 'ipv6';
}

function isSame(found: SavedChain | undefined, rules: readonly Rule[], node: NodeModel): boolean {
  return isSameText(
    found,
    rules.map(rule => renderRule(rule, familyOf(node))),
  );
}

function isSameText(found: SavedChain | undefined, rules: readonly string[]): boolean {
  return found?.rules.length === rules.length && rules.every((rule, i) => rule === found.rules[i]?.text);
}

function isSameSet(found: SavedChain | undefined, rules: readonly RuleLike[], node: NodeModel): boolean {
  if (found?.rules.length !== rules.length) return false;
  const text = rules.map(rule => (typeof rule === 'string' ? rule : renderRule(rule, familyOf(node))));
  const there = new Set(found.rules.map(rule => rule.text));
  return text.every(rule => there.has(rule)) && text.at(-1) === found.rules.at(-1)?.text;
}
