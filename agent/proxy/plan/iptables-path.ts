/** What iptables says of a service: the way of its packets, and what differs from what is wanted. */
import type { SavedRule, SavedTables } from '../../node-iptables/plan/parse-save.ts';
import { BASE_CHAINS, PROXY_TABLES } from './iptables-base.ts';
import type { ProxyTable } from './iptables-base.ts';
import { ROOT_CHAINS } from './iptables-branches.ts';
import { ChainHash } from './iptables-kernel.ts';
import type { KernelChain, KernelTable } from './iptables-kernel.ts';
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

/** Chains by name, and whose they are if they are one service's own. */
type Wanted = Map<string, KernelChain & { readonly service?: string }>;

/**
 * What of our chains is not as services want it, or, of those that all services share, not as we left it.
 * @param services all of them but those that the kernel refused
 */
export function compareIptables(
  live: Record<ProxyTable, KernelTable>,
  ledger: RuleLedger,
  services: Iterable<readonly [service: string, rules: RenderedService]>,
): RuleDifference[] {
  const wanted = wantedChains(services);
  return PROXY_TABLES.flatMap(table => {
    const differences: RuleDifference[] = [];
    const chains = wanted[table];
    const shared = new Set<string>([...BASE_CHAINS[table], ...ROOT_CHAINS[table]]);
    for (const chain of shared) {
      const left = ledger.chain(table, chain);
      if (left !== undefined) chains.set(chain, left);
    }
    for (const [chain, { service, hash, rules }] of chains) {
      const found = live[table].ours.get(chain);
      if (found?.hash === hash) continue;
      const about = service === undefined ? {} : { service };
      const told = { ...about, where: `chain ${chain} of table ${table}`, wanted: `${rules} rules` };
      if (found === undefined) differences.push({ ...told, kind: 'missing' });
      else {
        const seen = found.rules === rules ? 'as many, but others' : `${found.rules} rules`;
        differences.push({ ...told, kind: 'different', found: seen });
      }
    }
    for (const [chain, { rules }] of live[table].ours) {
      // Before the first write that succeeds nothing is known of shared ones.
      if (chains.has(chain) || shared.has(chain)) continue;
      differences.push({ kind: 'unexpected', where: `chain ${chain} of table ${table}`, found: `${rules} rules` });
    }
    return differences;
  });
}

function wantedChains(services: Iterable<readonly [string, RenderedService]>): Record<ProxyTable, Wanted> {
  const wanted: Record<ProxyTable, Wanted> = { nat: new Map(), filter: new Map() };
  const branches: Record<ProxyTable, Map<string, string[]>> = { nat: new Map(), filter: new Map() };
  for (const [service, { chains, shared }] of services) {
    for (const [chain, rules] of chains) wanted.nat.set(chain, { service, ...ChainHash.of(chain, rules) });
    // A service may ask for one rule twice.
    for (const id of new Set(shared.map(({ branch, rule }) => `${branch.table} ${branch.chain} ${rule}`))) {
      const [table = '', chain = ''] = id.split(' ', 2);
      const list = branches[table as ProxyTable];
      const rules = list.get(chain) ?? [];
      rules.push(id.slice(table.length + chain.length + 2));
      list.set(chain, rules);
    }
  }
  for (const table of PROXY_TABLES)
    for (const [chain, rules] of branches[table]) wanted[table].set(chain, ChainHash.of(chain, rules.sort()));
  return wanted;
}
