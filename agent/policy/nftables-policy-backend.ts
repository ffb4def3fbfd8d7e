/** Policies by nftables: one table, every write one transaction. */
import type { Nftables } from '../node-iptables/index.ts';
import type { PolicyBackend } from './policy-backend.ts';
import type { PolicyChange, PolicyModel } from './plan/model.ts';
import { BASE_CHAINS, nftablesChange, nftablesModel } from './plan/nftables-rules.ts';

/** The table's name, of family `inet`. */
export const POLICY_TABLE = 'k8ts-policy';

export class NftablesPolicyBackend implements PolicyBackend {
  readonly name = 'nftables';
  private readonly table: Nftables;
  private chains = new Map<string, number>();
  private sets = new Set<string>();

  /** @param table `POLICY_TABLE` of family `inet` */
  constructor(table: Nftables) {
    this.table = table;
  }

  async replaceAll(model: PolicyModel): Promise<void> {
    await this.table.apply(nftablesModel(model));
    this.chains = new Map([
      ...BASE_CHAINS.map(({ chain, rules }) => [chain, rules.length] as const),
      ...model.chains.map(({ name, rules }) => [name, rules.length + 1] as const),
    ]);
    this.sets = new Set(model.sets.map(({ name }) => name));
  }

  async update(change: PolicyChange): Promise<void> {
    await this.table.apply(nftablesChange(change));
    for (const { name, rules } of change.addChains) this.chains.set(name, rules.length + 1);
    for (const { name } of change.removeChains) this.chains.delete(name);
    for (const { name } of change.addSets) this.sets.add(name);
    for (const { name } of change.removeSets) this.sets.delete(name);
  }

  async hasDrifted(): Promise<boolean> {
    const found = await this.table.list(true);
    if (found === undefined) return true;
    const isWhole = [...this.chains].every(([name, rules]) => found.chains.get(name)?.rules.length === rules);
    return !isWhole || [...this.sets].some(name => !found.sets.has(name));
  }

  async cleanup(): Promise<boolean> {
    if ((await this.table.list(true)) === undefined) return false;
    await this.table.apply([{ kind: 'removeTable' }]);
    this.chains.clear();
    this.sets.clear();
    return true;
  }
}
