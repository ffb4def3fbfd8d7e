/**
 * Writes service models to the kernel by iptables: everything at start, differences after.
 *
 * - `written` says what the kernel has of each service, as far as we know; it changes only after a write succeeded.
 * - One write at a time (the Proxier sees to it).
 * - A service whose rules the kernel refuses is left out and reported; all others are written.
 */
import type { Logger } from '../../machinery/process/logger.ts';
import { CommandError } from '../node-iptables/index.ts';
import type { Iptables, SavedTables, TableChange } from '../node-iptables/index.ts';
import type { ProxyBackend, ServiceUpdate } from './backend.ts';
import { CANARY_CHAIN, HOOKS, PROXY_TABLES } from './plan/iptables-base.ts';
import { computeDelta, isEmptyDelta, mergeDeltas, renderService, toWritten } from './plan/iptables-delta.ts';
import type { RenderedService, ServiceDelta, WrittenService } from './plan/iptables-delta.ts';
import {
  CHAINS_PER_BATCH,
  baseChanges,
  cleanupChanges,
  leftoverChains,
  sharedChanges,
  staleServiceChains,
} from './plan/iptables-full.ts';
import type { NodeModel, ServicePortModel } from './plan/model.ts';
import { renderRule } from '../node-iptables/plan/render-rule.ts';

interface Pending {
  readonly service: string;
  readonly rendered: RenderedService | undefined;
  readonly delta: ServiceDelta;
}

const NOTHING: ServiceDelta = { writeChains: new Map(), deleteChains: [], addShared: [], removeShared: [] };

export class IptablesBackend implements ProxyBackend {
  readonly name = 'iptables';
  readonly refused = new Map<string, string>();
  private readonly iptables: Iptables;
  private readonly node: () => NodeModel;
  private readonly log: Logger;
  private written = new Map<string, WrittenService>();

  constructor(options: { iptables: Iptables; node: () => NodeModel; log: Logger }) {
    this.iptables = options.iptables;
    this.node = options.node;
    this.log = options.log;
  }

  async replaceAll(updates: Iterable<ServiceUpdate>): Promise<void> {
    const node = this.node();
    const saved = new Map([...(await this.iptables.save('nat')), ...(await this.iptables.save('filter'))]);
    await this.iptables.apply(baseChanges(saved, node));

    this.refused.clear();
    // Until all is written nothing is known of what the kernel has; a failure leaves it so.
    this.written = new Map();
    const written = new Map<string, WrittenService>();
    let batch: Pending[] = [];
    let chains = 0;
    for (const { service, ports } of updates) {
      const rendered = this.render(service, ports, node);
      if (rendered === undefined) continue;
      const writeChains = staleServiceChains(saved, rendered);
      written.set(service, toWritten(rendered));
      if (writeChains.size === 0) continue;
      batch.push({ service, rendered, delta: { ...NOTHING, writeChains } });
      chains += writeChains.size;
      if (chains < CHAINS_PER_BATCH) continue;
      await this.write(batch);
      batch = [];
      chains = 0;
    }
    await this.write(batch);
    for (const service of this.refused.keys()) written.delete(service);
    await this.writeShared(saved, written, node);
    const wantedChains = new Set([...written.values()].flatMap(service => [...service.chains.keys()]));
    for (const step of leftoverChains(saved, wantedChains)) await this.iptables.apply(step);
    this.written = written;
  }

  private async writeShared(saved: SavedTables, written: Map<string, WrittenService>, node: NodeModel): Promise<void> {
    const shared = [...new Set([...written.values()].flatMap(service => service.shared))];
    try {
      await this.iptables.apply(sharedChanges(saved, shared, node));
    } catch (error) {
      if (!isRefused(error)) throw error;
      // One of them is at fault: start from empty chains and find it.
      await this.iptables.apply(sharedChanges(saved, [], node));
      await this.write(
        [...written].map(([service, { shared: addShared }]) => ({ service, delta: { ...NOTHING, addShared } })),
      );
      for (const service of this.refused.keys()) written.delete(service);
    }
  }

  async update(updates: readonly ServiceUpdate[]): Promise<void> {
    const node = this.node();
    const pending: Pending[] = [];
    for (const { service, ports } of updates) {
      this.refused.delete(service);
      const rendered = ports.length === 0 ? undefined : this.render(service, ports, node);
      const delta = computeDelta(this.written.get(service), rendered);
      if (!isEmptyDelta(delta)) pending.push({ service, rendered, delta });
    }
    let batch: Pending[] = [];
    let chains = 0;
    for (const one of pending) {
      batch.push(one);
      chains += one.delta.writeChains.size + one.delta.deleteChains.length;
      if (chains < CHAINS_PER_BATCH) continue;
      await this.writeDeltas(batch);
      batch = [];
      chains = 0;
    }
    if (batch.length > 0) await this.writeDeltas(batch);
  }

  async hasDrifted(): Promise<boolean> {
    const family = this.iptables.family;
    for (const table of PROXY_TABLES) {
      if (((await this.iptables.listChain(table, CANARY_CHAIN))?.length ?? 0) === 0) return true;
    }
    for (const hook of HOOKS.filter(h => h.table === 'nat')) {
      const rules = await this.iptables.listChain('nat', hook.chain);
      if (rules?.includes(renderRule(hook.rule, family)) !== true) return true;
    }
    return false;
  }

  async cleanup(): Promise<boolean> {
    const saved = await this.iptables.save();
    for (const step of cleanupChanges(saved, this.node())) await this.iptables.apply(step);
    this.written = new Map();
    return [...saved.values()].some(chains => [...chains.keys()].some(chain => chain.startsWith('KUBE-')));
  }

  /** Halves what was refused until the culprits stand alone. Returns what was written. */
  private async write<T extends { service: string; delta: ServiceDelta }>(batch: readonly T[]): Promise<readonly T[]> {
    if (batch.length === 0) return [];
    const changes: TableChange[] = mergeDeltas(batch.map(one => one.delta));
    try {
      await this.iptables.apply(changes);
      return batch;
    } catch (error) {
      if (!isRefused(error)) throw error;
      const middle = batch.length >> 1;
      if (middle > 0)
        return [...(await this.write(batch.slice(0, middle))), ...(await this.write(batch.slice(middle)))];
      // A rule to remove may be gone because someone flushed: then it is not the service that is at fault.
      if (await this.hasDrifted()) throw error;
      for (const { service } of batch) this.refuse(service, error.message);
      return [];
    }
  }

  private async writeDeltas(batch: readonly Pending[]): Promise<void> {
    for (const { service, rendered } of await this.write(batch)) {
      if (rendered === undefined) this.written.delete(service);
      else this.written.set(service, toWritten(rendered));
    }
  }

  private render(service: string, ports: readonly ServicePortModel[], node: NodeModel): RenderedService | undefined {
    try {
      return renderService(ports, node);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.refuse(service, error.message);
      return undefined;
    }
  }

  private refuse(service: string, reason: string): void {
    this.refused.set(service, reason);
    this.log.error({ service, reason }, 'no rules could be written for a service');
  }
}

function isRefused(error: unknown): error is CommandError {
  return error instanceof CommandError && error.failure === 'refused';
}
