/** What iptables says of a service: the way of its packets, and what differs from what we wrote. */
import type { SavedRule, SavedTables } from '../../node-iptables/plan/parse-save.ts';
import { PROXY_TABLES } from './iptables-base.ts';
import type { ProxyTable } from './iptables-base.ts';
import type { KernelTable } from './iptables-kernel.ts';
import type { RuleLedger } from './iptables-ledger.ts';
import type { RenderedService } from './iptables-render.ts';
import type { ServicePortModel } from './model.ts';
import { addressTitle, nodePortTitle } from './packet-path.ts';
import type { PathStep, RuleDifference } from './packet-path.ts';

/** A port of a service, and its rules as they shall be. */
export interface PortRules {
  readonly model: ServicePortModel;
  readonly rules: RenderedService;
}

/** @param saved both tables, with counters */
export function iptablesPath(saved: SavedTables, ports: readonly PortRules[]): PathStep[] {
  return ports.flatMap(({ model, rules }) =>
    rules.shared.map(({ branch, rule }) => {
      const { table, chain } = branch;
      const found = saved
        .get(table)
        ?.get(chain)
        ?.rules.find(({ text }) => text === rule);
      const title = `${entryTitle(rule, model)}, ${table} ${chain}`;
      return found === undefined ? { title, rule: undefined, next: [] } : stepOf(saved, table, title, found, new Set());
    }),
  );
}

function entryTitle(rule: string, model: ServicePortModel): string {
  const ip = /-d (\S+?)\/(?:32|128)\b/.exec(rule)?.[1];
  if (ip !== undefined) return addressTitle(ip, model);
  return rule.includes(`--dport ${model.healthCheckNodePort} `) ? 'health check' : nodePortTitle(model);
}

function stepOf(
  saved: SavedTables,
  table: ProxyTable,
  title: string,
  { text, counters }: SavedRule,
  seen: ReadonlySet<string>,
): PathStep {
  const target = /-[jg] (\S+)/.exec(text)?.[1] ?? '';
  const chain = seen.has(target) ? undefined : saved.get(table)?.get(target);
  const path = new Set([...seen, target]);
  return {
    title,
    rule: text,
    ...(counters === undefined ? {} : { counters }),
    next: chain?.rules.map(rule => stepOf(saved, table, ruleTitle(target, rule), rule, path)) ?? [],
  };
}

function ruleTitle(chain: string, { text }: SavedRule): string {
  const endpoint = /--to-destination (\S+)/.exec(text)?.[1];
  return endpoint === undefined ? `chain ${chain}` : `endpoint ${endpoint}`;
}

/** What of our chains is not as we left it. */
export function compareIptables(live: Record<ProxyTable, KernelTable>, ledger: RuleLedger): RuleDifference[] {
  return PROXY_TABLES.flatMap(table => {
    const differences: RuleDifference[] = [];
    const known = new Set(ledger.chainNames(table));
    for (const chain of known) {
      const where = `chain ${chain} of table ${table}`;
      const [wanted, found] = [ledger.chain(table, chain), live[table].ours.get(chain)];
      if (wanted === undefined || wanted.hash === found?.hash) continue;
      const expected = `${wanted.rules} rules`;
      if (found === undefined) differences.push({ kind: 'missing', where, wanted: expected });
      else {
        const told = found.rules === wanted.rules ? 'as many, but others' : `${found.rules} rules`;
        differences.push({ kind: 'different', where, wanted: expected, found: told });
      }
    }
    for (const [chain, { rules }] of live[table].ours) {
      if (known.has(chain)) continue;
      differences.push({ kind: 'unexpected', where: `chain ${chain} of table ${table}`, found: `${rules} rules` });
    }
    return differences;
  });
}
