/** What a write of everything and a cleanup do beside the rules of services. */
import { renderRule } from '../../node-iptables/plan/render-rule.ts';
import type { TableChange } from '../../node-iptables/plan/restore.ts';
import { BUILT_IN_CHAINS } from '../../node-iptables/plan/rule.ts';
import type { Family, TableName } from '../../node-iptables/plan/rule.ts';
import { BASE_CHAINS, hooks } from './iptables-base.ts';
import type { ProxyTable } from './iptables-base.ts';
import { ROOT_CHAINS } from './iptables-branches.ts';
import { isOurs } from './iptables-kernel.ts';
import type { KernelTable } from './iptables-kernel.ts';

/** Hooks that are not in the chains they belong to. */
export function missingHooks(
  table: ProxyTable,
  foreign: ReadonlyMap<string, readonly string[]>,
  family: Family,
): { chain: string; rule: string }[] {
  return hooks(table)
    .map(({ chain, rule }) => ({ chain, rule: renderRule(rule, family) }))
    .filter(({ chain, rule }) => foreign.get(chain)?.includes(rule) !== true);
}

/**
 * Deletes chains in steps, those that point to others first. Within a step their order does not matter.
 * @param perStep since one transaction of everything is quadratic in the kernel's tools
 */
export function deletions(table: TableName, names: readonly string[], perStep: number): TableChange[] {
  const ranks = [
    'KUBE-NODEPORTS',
    'KUBE-FW-',
    'KUBE-EXT-',
    'KUBE-SV',
    'KUBE-SEP-',
    'KUBE-POSTROUTING',
    'KUBE-MARK-MASQ',
  ];
  const rank = (name: string): number => (/^KUBE-SERVICES/.test(name) ? -2 : ranks.findIndex(p => name.startsWith(p)));
  const sorted = [...names].sort((a, b) => rank(a) - rank(b));
  const steps: TableChange[] = [];
  for (let i = 0; i < sorted.length; i += perStep) steps.push({ table, deleteChains: sorted.slice(i, i + perStep) });
  return steps;
}

/** Everything of ours: chains, and rules of others that jump to them. */
export function cleanupChanges(table: ProxyTable, { ours, foreign }: KernelTable, perStep: number): TableChange[] {
  const jumps = [...foreign].flatMap(([chain, rules]) =>
    rules.filter(rule => isOurs(table, jumpTarget(rule))).map(rule => ({ chain, rule })),
  );
  const shared = ROOT_CHAINS[table].filter(root => ours.has(root));
  const emptied = new Map(shared.map(root => [root, []]));
  const steps = deletions(
    table,
    [...ours.keys()].filter(chain => !BASE_CHAINS[table].includes(chain)),
    perStep,
  );
  const base = BASE_CHAINS[table].filter(chain => ours.has(chain));
  return [{ table, remove: jumps, chains: emptied }, ...steps, { table, deleteChains: base }];
}

function jumpTarget(rule: string): string {
  const chain = /(?:^| )-[jg] (\S+)$/.exec(rule)?.[1] ?? '';
  return BUILT_IN_CHAINS.has(chain) ? '' : chain;
}
