/**
 * Writes service models to the kernel by iptables: everything at start, differences after.
 *
 * - The ledger says what the kernel has, as far as we know; it learns of a write only after that succeeded.
 * - Every table is written by itself, nat first: a service that gains its first endpoint answers from then on, and no longer needs the
 *   rejection that the filter table has of it.
 * - A service whose rules the kernel refuses is left out and reported; all others are written.
 */
import type { Logger } from '../../machinery/process/logger.ts';
import { CommandError, isEmptyChange } from '../node-iptables/index.ts';
import type { Iptables, SavedTables } from '../node-iptables/index.ts';
import type { ProxyBackend, ServiceUpdate } from './backend.ts';
import { IptablesDrift } from './iptables-drift.ts';
import { PROXY_TABLES } from './plan/iptables-base.ts';
import type { Hairpin, ProxyTable } from './plan/iptables-base.ts';
import { cleanupChanges, deletions, missingHooks } from './plan/iptables-full.ts';
import { readKernel } from './plan/iptables-kernel.ts';
import type { KernelTable } from './plan/iptables-kernel.ts';
import { RuleLedger } from './plan/iptables-ledger.ts';
import { compareIptables, iptablesPath } from './plan/iptables-path.ts';
import type { LedgerStep, ServiceRules } from './plan/iptables-ledger.ts';
import { renderService } from './plan/iptables-render.ts';
import type { NodeModel } from './plan/model.ts';
import type { PathStep, RuleDifference } from './plan/packet-path.ts';

/** Chains made or deleted by one transaction at most: in more of them the kernel's tools become slow with the square of it. */
const CHAINS_PER_BATCH = 1_000;

/** What there is before the first write. */
const NO_TABLE: KernelTable = { ours: new Map(), foreign: new Map() };

export interface IptablesBackendOptions {
  readonly iptables: Iptables;
  readonly node: () => NodeModel;
  readonly log: Logger;
}

export class IptablesBackend implements ProxyBackend {
  readonly name = 'iptables';
  readonly refused = new Map<string, string>();
  private readonly options: IptablesBackendOptions;
  private ledger: RuleLedger | undefined;
  private hairpin: Hairpin = 'oneRule';
  private batchSize: number | undefined;
  private readonly drift: IptablesDrift;

  constructor(options: IptablesBackendOptions) {
    this.options = options;
    this.drift = new IptablesDrift(options.iptables);
  }

  async replaceAll(updates: Iterable<ServiceUpdate>): Promise<void> {
    const node = this.options.node();
    // Until all is written nothing is known of what the kernel has; a failure leaves it so.
    this.ledger = undefined;
    this.refused.clear();
    const kernel = { nat: await this.read('nat'), filter: await this.read('filter') };
    const ledger = new RuleLedger(kernel, node);
    await this.writeBase(ledger);
    const services = await this.writeServiceChains(ledger, updates, node);
    await this.write(ledger, services, kernel);
    for (const table of PROXY_TABLES) await this.deleteStrays(ledger, table);
    this.ledger = ledger;
  }

  async update(updates: readonly ServiceUpdate[]): Promise<void> {
    const { ledger } = this;
    if (ledger === undefined) throw new Error('update() before replaceAll()');
    const node = this.options.node();
    for (const { service } of updates) this.refused.delete(service);
    for await (const batch of this.batches(ledger, updates, node)) await this.write(ledger, batch);
  }

  hasDrifted(): Promise<boolean> {
    return this.ledger === undefined ? Promise.resolve(false) : this.drift.hasDrifted(this.ledger);
  }

  async cleanup(): Promise<boolean> {
    this.ledger = undefined;
    const { iptables } = this.options;
    let wasThere = false;
    try {
      const perStep = await this.chainsPerBatch();
      for (const table of PROXY_TABLES) {
        for (const change of cleanupChanges(table, await this.read(table), perStep)) {
          wasThere ||= !isEmptyChange(change);
          await iptables.apply([change]);
        }
      }
    } catch (error) {
      // Without iptables there is nothing of it.
      if (!(error instanceof CommandError) || (error.failure !== 'missing' && error.failure !== 'unsupported'))
        throw error;
    }
    return wasThere;
  }

  ruleCounts(): ReadonlyMap<string, number> {
    return this.ledger?.ruleCounts() ?? new Map();
  }

  async path({ ports }: ServiceUpdate): Promise<readonly PathStep[]> {
    const node = this.options.node();
    const saved: SavedTables = new Map();
    for (const table of PROXY_TABLES)
      for (const [name, chains] of await this.options.iptables.save(table, true)) saved.set(name, chains);
    const rules = ports.map(model => ({ model, rules: renderService([model], node, this.hairpin) }));
    return iptablesPath(saved, rules);
  }

  async compare(updates: readonly ServiceUpdate[]): Promise<readonly RuleDifference[]> {
    const node = this.options.node();
    const live = { nat: await this.read('nat'), filter: await this.read('filter') };
    const ledger = this.ledger ?? new RuleLedger({ nat: NO_TABLE, filter: NO_TABLE }, node);
    const services = updates
      .filter(({ service }) => !this.refused.has(service))
      .map(({ service, ports }) => [service, renderService(ports, node, this.hairpin)] as const);
    return compareIptables(live, ledger, services);
  }

  private async read(table: ProxyTable): Promise<KernelTable> {
    return readKernel(table, await this.options.iptables.saveText(table));
  }

  private async writeBase(ledger: RuleLedger): Promise<void> {
    try {
      for (const table of PROXY_TABLES) await this.carryOut(ledger.planBase(table, this.hairpin));
    } catch (error) {
      if (!isRefused(error) || this.hairpin === 'ruleAnEndpoint') throw error;
      this.hairpin = 'ruleAnEndpoint';
      this.options.log.warn(
        { error: error.message },
        'the kernel has no xt_bpf, it seems; every endpoint gets a chain and rules of its own, which costs time with thousands of services',
      );
      await this.writeBase(ledger);
    }
  }

  /** Writes all chains of services that are not there yet. Nothing leads to new ones before this is done. */
  private async writeServiceChains(
    ledger: RuleLedger,
    updates: Iterable<ServiceUpdate>,
    node: NodeModel,
  ): Promise<ServiceRules[]> {
    const done: ServiceRules[] = [];
    // The next batch is made while this one is being written.
    let writing: Promise<unknown> = Promise.resolve();
    for await (const batch of this.batches(ledger, updates, node)) {
      await writing;
      writing = this.writeOwn(ledger, batch);
      // It is waited for in the next round, which may not come.
      writing.catch(() => {});
      for (const { service, rules } of batch) {
        if (rules === undefined) continue;
        const chains = new Map([...rules.chains.keys()].map(chain => [chain, 'written'] as const));
        done.push({ service, rules: { chains, shared: rules.shared } });
      }
    }
    await writing;
    return done.filter(({ service }) => !this.refused.has(service));
  }

  private async *batches(
    ledger: RuleLedger,
    updates: Iterable<ServiceUpdate>,
    node: NodeModel,
  ): AsyncGenerator<ServiceRules[]> {
    const limit = await this.chainsPerBatch();
    let batch: ServiceRules[] = [];
    let chains = 0;
    for (const update of updates) {
      const rendered = this.render(update, node);
      if (rendered === undefined) continue;
      batch.push(rendered);
      for (const [chain, rules] of rendered.rules?.chains ?? [])
        if (rules !== 'written' && ledger.isStale('nat', chain, rules)) chains++;
      if (chains < limit) continue;
      yield batch;
      batch = [];
      chains = 0;
    }
    if (batch.length > 0) yield batch;
  }

  /** Chains of these services alone; halves what was refused until the culprits stand alone. */
  private async writeOwn(ledger: RuleLedger, batch: readonly ServiceRules[]): Promise<void> {
    const stale = new Map<string, readonly string[]>();
    for (const { rules } of batch)
      for (const [chain, list] of rules?.chains ?? [])
        if (list !== 'written' && ledger.isStale('nat', chain, list)) stale.set(chain, list);
    if (stale.size === 0) return;
    try {
      await this.carryOut(ledger.step('nat', stale, []));
    } catch (error) {
      if (!isRefused(error)) throw error;
      const [one, ...others] = batch;
      if (one !== undefined && others.length === 0) return this.refuse(one.service, error.message);
      for (const half of halves(batch)) await this.writeOwn(ledger, half);
    }
  }

  /** @param kernel given if everything is to be made right, hooks and shared chains too */
  private async write(
    ledger: RuleLedger,
    batch: readonly ServiceRules[],
    kernel?: Record<ProxyTable, KernelTable>,
  ): Promise<void> {
    const { family } = this.options.iptables;
    let isHalfDone = false;
    try {
      for (const { table, change, written } of ledger.plan(batch, kernel !== undefined)) {
        const insert = kernel === undefined ? [] : missingHooks(table, kernel[table].foreign, family);
        await this.carryOut({ table, change: { ...change, insert }, written });
        for (const { chain, rule } of insert)
          kernel?.[table].foreign.set(chain, [...(kernel[table].foreign.get(chain) ?? []), rule]);
        isHalfDone = true;
      }
    } catch (error) {
      if (!isRefused(error)) throw error;
      const [one, ...others] = batch;
      // A chain that rules lead to may be gone because someone flushed: then it is not the service that is at fault.
      if (one === undefined || (others.length === 0 && (await this.hasDrifted()))) throw error;
      if (others.length > 0) {
        for (const half of halves(batch)) await this.write(ledger, half, kernel);
        return;
      }
      this.refuse(one.service, error.message);
      if (!isHalfDone) return;
      ledger.forget(one.service);
      await this.write(ledger, [], kernel ?? { nat: await this.read('nat'), filter: await this.read('filter') });
      // A write of everything does so at its end: until then chains of services that come later look like strays.
      if (kernel === undefined) await this.deleteStrays(ledger, 'nat');
    }
  }

  private async deleteStrays(ledger: RuleLedger, table: ProxyTable): Promise<void> {
    for (const { deleteChains } of deletions(table, ledger.strays(table), await this.chainsPerBatch()))
      await this.carryOut(ledger.step(table, new Map(), deleteChains ?? []));
  }

  private async carryOut({ change, written }: LedgerStep): Promise<void> {
    await this.options.iptables.apply([change]);
    written();
  }

  /** Legacy iptables reads and writes the whole table at each call, so it is called once. */
  private async chainsPerBatch(): Promise<number> {
    this.batchSize ??= (await this.options.iptables.version()).includes('nf_tables') ? CHAINS_PER_BATCH : Infinity;
    return this.batchSize;
  }

  private render({ service, ports }: ServiceUpdate, node: NodeModel): ServiceRules | undefined {
    if (ports.length === 0) return { service, rules: undefined };
    try {
      return { service, rules: renderService(ports, node, this.hairpin) };
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.refuse(service, error.message);
      return undefined;
    }
  }

  private refuse(service: string, reason: string): void {
    this.refused.set(service, reason);
    this.options.log.error({ service, reason }, 'no rules could be written for a service');
  }
}

function isRefused(error: unknown): error is CommandError {
  return error instanceof CommandError && error.failure === 'refused';
}

function halves<T>(list: readonly T[]): [readonly T[], readonly T[]] {
  const middle = list.length >> 1;
  return [list.slice(0, middle), list.slice(middle)];
}
