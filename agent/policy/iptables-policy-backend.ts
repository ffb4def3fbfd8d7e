/** Policies by iptables and ipset, of each family that the kernel has. */
import { CommandError } from '../node-iptables/index.ts';
import type { Ipset, Iptables, SavedTables } from '../node-iptables/index.ts';
import { renderRule } from '../node-iptables/plan/render-rule.ts';
import type { IpFamily } from '../../machinery/meta/ip-number.ts';
import type { PolicyBackend } from './policy-backend.ts';
import { HOOKS, answeredSet, chainName, podSet, ruleSet, sharedChains } from './plan/iptables-rules.ts';
import { changeSteps, cleanupSteps, isOwnSet, replaceSteps } from './plan/iptables-steps.ts';
import type { Found, IptablesStep } from './plan/iptables-steps.ts';
import { familyOfAddress } from './plan/model.ts';
import type { PodChains, PolicyChain, PolicyChange, PolicyModel } from './plan/model.ts';

export interface IptablesPolicyOptions {
  /** IPv6 is left out where the kernel has none. */
  readonly families: ReadonlyMap<IpFamily, Iptables>;
  readonly ipset: Ipset;
}

export class IptablesPolicyBackend implements PolicyBackend {
  readonly name = 'iptables';
  private readonly options: IptablesPolicyOptions;
  private readonly families: readonly IpFamily[];
  private chains = new Map<string, PolicyChain>();
  private sets = new Set<string>();
  private pods = new Map<string, PodChains>();
  /** Sets that the kernel did not let go of yet. */
  private readonly held = new Set<string>();

  constructor(options: IptablesPolicyOptions) {
    this.options = options;
    this.families = [...options.families.keys()];
  }

  async replaceAll(model: PolicyModel): Promise<void> {
    const usable = this.usable(model);
    await this.carryOut(replaceSteps(usable, await this.look(), this.families));
    this.chains = new Map(usable.chains.map(chain => [chain.name, chain]));
    this.sets = new Set(usable.sets.map(({ name }) => ruleSet(name)));
    this.pods = new Map(usable.pods);
  }

  async update(change: PolicyChange): Promise<void> {
    const usable = this.usableChange(change);
    const standing = { chains: [...this.chains.values()], pods: this.pods };
    await this.carryOut(changeSteps(usable, standing, this.families));
    for (const chain of usable.addChains) this.chains.set(chain.name, chain);
    for (const { name } of usable.removeChains) this.chains.delete(name);
    for (const { name } of usable.addSets) this.sets.add(ruleSet(name));
    for (const { name } of usable.removeSets) this.sets.delete(ruleSet(name));
    for (const { address, after } of usable.pods) {
      if ((after.ingress ?? after.egress) === undefined) this.pods.delete(address);
      else this.pods.set(address, after);
    }
  }

  async hasDrifted(): Promise<boolean> {
    await this.destroy([]);
    const there = new Set(await this.options.ipset.names());
    const wanted = [...this.sets, ...[...this.chains.keys()].map(podSet), ...this.families.map(answeredSet)];
    if (wanted.some(name => !there.has(name))) return true;
    for (const [family, iptables] of this.options.families) {
      const names = [...this.chains.values()].filter(chain => chain.family === family).map(({ name }) => name);
      const isolated = [...this.pods.keys()].filter(address => familyOfAddress(address) === family);
      const found = (await iptables.save('mangle')).get('mangle');
      const textsOf = (chain: string): string[] => (found?.get(chain)?.rules ?? []).map(({ text }) => text);
      for (const [chain, rules] of sharedChains(family, names, isolated)) {
        const wanted = rules.map(rule => renderRule(rule, iptables.family));
        if (textsOf(chain).join('\n') !== wanted.join('\n')) return true;
      }
      if (names.some(name => found?.has(chainName(name)) !== true)) return true;
      if (HOOKS.some(({ chain, rule }) => !textsOf(chain).includes(renderRule(rule)))) return true;
    }
    return false;
  }

  async cleanup(): Promise<boolean> {
    const steps = cleanupSteps(await this.look());
    await this.carryOut(steps);
    this.chains.clear();
    this.sets.clear();
    this.pods.clear();
    return steps.some(step => step.kind === 'rules' || (step.kind === 'destroy' && step.sets.length > 0));
  }

  private async look(): Promise<Found> {
    const tables = new Map<IpFamily, SavedTables>();
    for (const [family, iptables] of this.options.families) tables.set(family, await iptables.save('mangle'));
    const sets = new Map<string, string[]>();
    // Others' may be large.
    if (!(await this.options.ipset.names()).some(isOwnSet)) return { tables, sets };
    for (const [name, { entries }] of await this.options.ipset.save())
      if (isOwnSet(name))
        sets.set(
          name,
          entries.map(({ entry }) => entry),
        );
    return { tables, sets };
  }

  private async carryOut(steps: readonly IptablesStep[]): Promise<void> {
    const { families, ipset } = this.options;
    for (const step of steps) {
      switch (step.kind) {
        case 'sets':
          for (const command of step.commands) this.held.delete(command.set);
          await ipset.apply(step.commands, true);
          break;
        case 'rules':
          await families.get(step.family)?.apply([step.change]);
          break;
        case 'destroy':
          await this.destroy(step.sets);
      }
    }
  }

  private async destroy(sets: readonly string[]): Promise<void> {
    for (const set of sets) this.held.add(set);
    if (this.held.size === 0 || (await this.tryToDestroy([...this.held]))) return;
    // What was free in front of the first that is held went.
    const there = new Set(await this.options.ipset.names());
    for (const set of this.held) if (!there.has(set) || (await this.tryToDestroy([set]))) this.held.delete(set);
  }

  /** @returns false if the kernel still holds one: tried again with the next write or look, and until then it harms nobody */
  private async tryToDestroy(sets: readonly string[]): Promise<boolean> {
    try {
      await this.options.ipset.apply(sets.map(set => ({ kind: 'destroy', set })));
      for (const set of sets) this.held.delete(set);
      return true;
    } catch (error) {
      if (!(error instanceof CommandError) || error.failure !== 'refused') throw error;
      return false;
    }
  }

  private usable(model: PolicyModel): PolicyModel {
    const isUsable = ({ family }: { family: IpFamily }): boolean => this.families.includes(family);
    const pods = [...model.pods].filter(([address]) => isUsable({ family: familyOfAddress(address) }));
    return { ...model, chains: model.chains.filter(isUsable), sets: model.sets.filter(isUsable), pods: new Map(pods) };
  }

  private usableChange(change: PolicyChange): PolicyChange {
    const isUsable = ({ family }: { family: IpFamily }): boolean => this.families.includes(family);
    return {
      addSets: change.addSets.filter(isUsable),
      changeSets: change.changeSets.filter(isUsable),
      removeSets: change.removeSets.filter(isUsable),
      addChains: change.addChains.filter(isUsable),
      removeChains: change.removeChains.filter(isUsable),
      pods: change.pods.filter(({ address }) => isUsable({ family: familyOfAddress(address) })),
    };
  }
}
