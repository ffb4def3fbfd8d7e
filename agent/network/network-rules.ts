/** The pod network's rules in the kernel, by the packet filter that this node uses. */
import type { Logger } from '../../machinery/process/logger.ts';
import {
  applyNft,
  CommandError,
  Conntrack,
  isEmptyChange,
  Nftables,
  type CommandOptions,
  type Iptables,
  type SavedTables,
} from '../node-iptables/index.ts';
import { forwardObstacles } from './forward-obstacles.ts';
import { iptablesRuleChanges, iptablesRuleCleanup } from './plan/iptables-rules.ts';
import { NETWORK_TABLE, nftablesRules } from './plan/nftables-rules.ts';
import { isEmptyModel, type RuleModel } from './plan/rule-model.ts';

export interface NetworkRules {
  /** Whether host ports are rules of ours; else portmap's. */
  readonly hasHostPorts: boolean;
  /** Compares with the kernel and writes what is missing; says whether something was. @throws CommandError */
  ensure(models: readonly RuleModel[]): Promise<boolean>;
  /** What may keep packets of pods from being forwarded all the same, a sentence each. */
  obstacles(): Promise<string[]>;
  /** @returns whether there were any @throws CommandError */
  cleanup(): Promise<boolean>;
}

/** Nobody forwards or masquerades by rules here. */
export const noRules: NetworkRules = {
  hasHostPorts: false,
  ensure: () => Promise.resolve(false),
  obstacles: () =>
    Promise.resolve([
      'no packet filter is used: what pods send to the outside bears their own addresses, which others may not answer',
    ]),
  cleanup: () => Promise.resolve(false),
};

/** Rules of one sort and none of the others, which an earlier start may have left: those go once the new ones stand. */
export class SoleRules implements NetworkRules {
  private readonly used: NetworkRules;
  private readonly others: readonly NetworkRules[];
  private readonly log: Logger;
  private areOthersGone = false;

  constructor(used: NetworkRules, others: readonly NetworkRules[], log: Logger) {
    this.used = used;
    this.others = others;
    this.log = log;
  }

  get hasHostPorts(): boolean {
    return this.used.hasHostPorts;
  }

  async ensure(models: readonly RuleModel[]): Promise<boolean> {
    const changed = await this.used.ensure(models);
    if (this.areOthersGone) return changed;
    this.areOthersGone = true;
    try {
      if (await this.removeOthers())
        this.log.info({}, 'rules of the pod network for another packet filter are removed');
    } catch (error) {
      this.log.warn({ error: String(error) }, 'rules of the pod network for another packet filter may be left');
    }
    return changed;
  }

  obstacles(): Promise<string[]> {
    return this.used.obstacles();
  }

  async cleanup(): Promise<boolean> {
    const had = await cleanupIfThere(this.used);
    return (await this.removeOthers()) || had;
  }

  private async removeOthers(): Promise<boolean> {
    let found = false;
    for (const other of this.others) if (await cleanupIfThere(other)) found = true;
    return found;
  }
}

/** Where there is no such command, or the kernel knows no such rules, there are none either. */
async function cleanupIfThere(rules: Pick<NetworkRules, 'cleanup'>): Promise<boolean> {
  try {
    return await rules.cleanup();
  } catch (error) {
    if (error instanceof CommandError && ['missing', 'unsupported'].includes(error.failure)) return false;
    throw error;
  }
}

const CHAINS = {
  nat: ['POSTROUTING', 'K8TS-POSTROUTING'],
  filter: ['FORWARD', 'INPUT', 'K8TS-FORWARD', 'K8TS-INPUT'],
} as const;

export class IptablesRules implements NetworkRules {
  readonly hasHostPorts = false;
  private readonly families: readonly Iptables[];
  private readonly forgotten = new Set<Iptables>();

  private readonly options: CommandOptions;

  /** @param families one each @param options how commands other than theirs are run */
  constructor(families: readonly Iptables[], options: CommandOptions = {}) {
    this.families = families;
    this.options = options;
  }

  obstacles(): Promise<string[]> {
    return forwardObstacles(true, this.options);
  }

  async ensure(models: readonly RuleModel[]): Promise<boolean> {
    let changed = false;
    for (const iptables of this.families) {
      const model = models.find(({ family }) => family === iptables.family);
      if (model === undefined) continue;
      if (isEmptyModel(model)) {
        await this.forget(iptables);
        continue;
      }
      this.forgotten.delete(iptables);
      const changes = iptablesRuleChanges(await savedRules(iptables), model);
      if (changes.every(isEmptyChange)) continue;
      await iptables.apply(changes);
      changed = true;
    }
    return changed;
  }

  async cleanup(): Promise<boolean> {
    let found = false;
    for (const iptables of this.families) {
      const cleanup = async (): Promise<boolean> => {
        const changes = iptablesRuleCleanup(await iptables.save());
        await iptables.apply(changes);
        return changes.some(change => (change.deleteChains?.length ?? 0) > 0);
      };
      if (await cleanupIfThere({ cleanup })) found = true;
    }
    return found;
  }

  /** A family that the cluster has not: what an earlier start left goes, once; whether the host can do it at all is no matter. */
  private async forget(iptables: Iptables): Promise<void> {
    if (this.forgotten.has(iptables)) return;
    this.forgotten.add(iptables);
    await iptables
      .save()
      .then(saved => iptables.apply(iptablesRuleCleanup(saved)))
      .catch(ignoreCommandError);
  }
}

/** Only the chains that matter: a table may hold the rules of thousands of services. */
async function savedRules(iptables: Iptables): Promise<SavedTables> {
  const saved: SavedTables = new Map();
  for (const table of ['nat', 'filter'] as const) {
    const found = new Map();
    for (const name of CHAINS[table]) {
      const rules = await iptables.listChain(table, name);
      if (rules !== undefined)
        found.set(name, { counters: { packets: 0, bytes: 0 }, rules: rules.map(text => ({ text })) });
    }
    saved.set(table, found);
  }
  return saved;
}

const NFT_FAMILIES = { ipv4: 'ip', ipv6: 'ip6' } as const;

/** A family's table is small and written whole; it stands if it is listed as it was right after, to the number of each rule. */
export class NftablesRules implements NetworkRules {
  readonly hasHostPorts = true;
  private readonly options: CommandOptions;
  private readonly conntrack: Conntrack;
  private readonly written = new Map<RuleModel['family'], { rules: string; listing: string; udpPorts: Set<number> }>();

  constructor(options: CommandOptions = {}) {
    this.options = options;
    this.conntrack = new Conntrack(options);
  }

  obstacles(): Promise<string[]> {
    return forwardObstacles(false, this.options);
  }

  async ensure(models: readonly RuleModel[]): Promise<boolean> {
    let changed = false;
    for (const model of models) {
      const change = nftablesRules(model);
      const rules = JSON.stringify(change.commands);
      const last = this.written.get(model.family);
      if (isEmptyModel(model)) {
        // The cluster has not this family: whether the host can do it at all is no matter.
        if (last?.rules !== rules) await applyNft([change], this.options).catch(ignoreCommandError);
        this.written.set(model.family, { rules, listing: '', udpPorts: new Set() });
        continue;
      }
      if (last?.rules === rules && last.listing === (await this.listing(model.family))) continue;
      this.written.delete(model.family);
      await applyNft([change], this.options);
      const udpPorts = new Set(model.hostPorts.flatMap(one => (one.protocol === 'udp' ? [one.hostPort] : [])));
      this.written.set(model.family, { rules, udpPorts, listing: await this.listing(model.family) });
      await this.forgetFlows(model.family, last?.udpPorts ?? new Set(), udpPorts);
      changed = true;
    }
    return changed;
  }

  async cleanup(): Promise<boolean> {
    let found = false;
    for (const family of ['ipv4', 'ipv6'] as const) {
      if ((await this.table(family).list()) === undefined) continue;
      found = true;
      await this.table(family).apply([{ kind: 'removeTable' }]);
    }
    this.written.clear();
    return found;
  }

  /** A client of UDP that goes on asking would be led for ever where it was led first. */
  private async forgetFlows(family: RuleModel['family'], before: Set<number>, now: Set<number>): Promise<void> {
    const changed = [...new Set([...before, ...now])].filter(port => before.has(port) !== now.has(port));
    for (const originalPort of changed) {
      // Without the command, flows end by their own time.
      await this.conntrack.deleteFlows({ protocol: 'udp', family, originalPort }).catch(ignoreCommandError);
    }
  }

  private async listing(family: RuleModel['family']): Promise<string> {
    const table = await this.table(family).list();
    return JSON.stringify([...(table?.chains ?? [])]);
  }

  private table(family: RuleModel['family']): Nftables {
    return new Nftables(NFT_FAMILIES[family], NETWORK_TABLE, this.options);
  }
}

function ignoreCommandError(error: unknown): void {
  if (!(error instanceof CommandError)) throw error;
}
