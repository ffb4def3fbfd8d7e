/**
 * What must be written so that the kernel has a service's rules, given what was last written of it. Only the difference is
 * written: a changed endpoint costs a few chains, whatever the number of services.
 *
 * What was written is kept small (10,000 services are usual): hashes of own chains, text of shared rules, which a removal needs.
 */
import { renderRule } from '../../node-iptables/plan/render-rule.ts';
import type { TableChange } from '../../node-iptables/plan/restore.ts';
import type { Family } from '../../node-iptables/plan/rule.ts';
import { PROXY_TABLES } from './iptables-base.ts';
import type { ProxyTable } from './iptables-base.ts';
import { computeServiceRules } from './iptables-service.ts';
import type { NodeModel, ServicePortModel } from './model.ts';

/** All rules of one service as text. */
export interface RenderedService {
  /** Chains of the nat table with their rules. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  /** `table chain rule`, see `sharedRule`. */
  readonly shared: readonly string[];
}

/** What is kept of a service once it was written. */
export interface WrittenService {
  readonly chains: ReadonlyMap<string, number>;
  readonly shared: readonly string[];
}

/** One service's share of a transaction. */
export interface ServiceDelta {
  readonly writeChains: ReadonlyMap<string, readonly string[]>;
  readonly deleteChains: readonly string[];
  readonly addShared: readonly string[];
  readonly removeShared: readonly string[];
}

/** @throws RangeError if a name or number cannot be part of a rule */
export function renderService(ports: readonly ServicePortModel[], node: NodeModel): RenderedService {
  const family: Family = node.family === 'IPv4' ? 'ipv4' : 'ipv6';
  const chains = new Map<string, string[]>();
  const shared: string[] = [];
  for (const port of ports) {
    const rules = computeServiceRules(port, node);
    for (const [chain, list] of rules.chains)
      chains.set(
        chain,
        list.map(rule => renderRule(rule, family)),
      );
    for (const { table, chain, rule } of rules.shared) shared.push(`${table} ${chain} ${renderRule(rule, family)}`);
  }
  return { chains, shared: [...new Set(shared)] };
}

export function toWritten(rendered: RenderedService): WrittenService {
  const chains = new Map<string, number>();
  for (const [chain, rules] of rendered.chains) chains.set(chain, hashRules(rules));
  return { chains, shared: rendered.shared };
}

/** @param wanted undefined if the service is gone */
export function computeDelta(written: WrittenService | undefined, wanted: RenderedService | undefined): ServiceDelta {
  const writeChains = new Map<string, readonly string[]>();
  for (const [chain, rules] of wanted?.chains ?? []) {
    if (written?.chains.get(chain) !== hashRules(rules)) writeChains.set(chain, rules);
  }
  const before = written?.shared ?? [];
  const after = wanted?.shared ?? [];
  return {
    writeChains,
    deleteChains: [...(written?.chains.keys() ?? [])].filter(chain => wanted?.chains.has(chain) !== true),
    addShared: after.filter(rule => !before.includes(rule)),
    removeShared: before.filter(rule => !after.includes(rule)),
  };
}

export function isEmptyDelta(delta: ServiceDelta): boolean {
  return (
    delta.writeChains.size === 0 &&
    delta.deleteChains.length === 0 &&
    delta.addShared.length === 0 &&
    delta.removeShared.length === 0
  );
}

/** Deltas of any number of services as one transaction a table. */
export function mergeDeltas(deltas: readonly ServiceDelta[]): TableChange[] {
  return PROXY_TABLES.map(table => {
    const own = table === 'nat';
    return {
      table,
      chains: new Map(own ? deltas.flatMap(delta => [...delta.writeChains]) : []),
      remove: deltas.flatMap(delta => delta.removeShared.flatMap(text => ofTable(text, table))),
      // At the head: the last rule of KUBE-SERVICES must stay the last.
      insert: deltas.flatMap(delta => delta.addShared.flatMap(text => ofTable(text, table))),
      deleteChains: own ? deltas.flatMap(delta => delta.deleteChains) : [],
    };
  });
}

/** Takes `table chain rule` apart. */
export function sharedRule(text: string): { table: ProxyTable; chain: string; rule: string } {
  const first = text.indexOf(' ');
  const second = text.indexOf(' ', first + 1);
  return {
    table: text.slice(0, first) as ProxyTable,
    chain: text.slice(first + 1, second),
    rule: text.slice(second + 1),
  };
}

function ofTable(text: string, table: ProxyTable): { chain: string; rule: string }[] {
  const { chain, rule, ...rest } = sharedRule(text);
  return rest.table === table ? [{ chain, rule }] : [];
}

/** 53 bits of two FNV-1a hashes: enough that a changed chain is never taken for the same. */
export function hashRules(rules: readonly string[]): number {
  let low = 0x811c9dc5;
  let high = 0x01000193;
  for (const rule of rules) {
    for (let i = 0; i < rule.length; i++) {
      const code = rule.charCodeAt(i);
      low = Math.imul(low ^ code, 0x01000193);
      high = Math.imul(high ^ code, 0x85ebca6b) + low;
    }
    low = Math.imul(low ^ 10, 0x01000193);
  }
  return (low >>> 0) + (high & 0x1fffff) * 0x1_0000_0000;
}
