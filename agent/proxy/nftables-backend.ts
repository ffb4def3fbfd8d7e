/**
 * Writes service models to the kernel by nftables: everything in one transaction at start, elements that differ after.
 *
 * - `written` says what the kernel has of each service, as far as we know; it changes only after a write succeeded.
 * - One write at a time (the Proxier sees to it). nftables has no lock to wait for; nft itself begins anew if another writes meanwhile.
 * - A service that the kernel refuses is left out and reported; all others are written.
 */
import type { Logger } from '../../machinery/process/logger.ts';
import { CommandError, Nftables, renderNft } from '../node-iptables/index.ts';
import type { CommandOptions, NftCommand } from '../node-iptables/index.ts';
import type { ProxyBackend, ServiceUpdate } from './backend.ts';
import type { AddressFamily } from './plan/address.ts';
import type { NodeModel } from './plan/model.ts';
import { baseRules } from './plan/nftables-base.ts';
import { computeNftDelta, isEmptyNftDelta, nftCommandsOf } from './plan/nftables-delta.ts';
import type { NftDelta } from './plan/nftables-delta.ts';
import { fullNftCommands } from './plan/nftables-full.ts';
import type { FullWrite } from './plan/nftables-full.ts';
import { NftLedger } from './plan/nftables-ledger.ts';
import { NFT_TABLE, familyWords } from './plan/nftables-names.ts';
import { NftListing, compareNft, nftPath } from './plan/nftables-path.ts';
import { planNftService } from './plan/nftables-service.ts';
import type { NftPort } from './plan/nftables-service.ts';
import type { PathStep, RuleDifference } from './plan/packet-path.ts';

interface Pending {
  readonly service: string;
  readonly ports: readonly NftPort[];
  readonly delta: NftDelta;
}

type Planned = readonly [service: string, ports: readonly NftPort[]];

export interface NftablesBackendOptions extends CommandOptions {
  readonly family: AddressFamily;
  readonly node: () => NodeModel;
  readonly log: Logger;
}

export class NftablesBackend implements ProxyBackend {
  readonly name = 'nftables';
  readonly refused = new Map<string, string>();
  private readonly nft: Nftables;
  private readonly node: () => NodeModel;
  private readonly log: Logger;
  private written = new NftLedger();
  private sharedChains = new Set<string>();
  /** Deletions of the rules that all services share, none before the first full write. */
  private sharedRules: readonly NftCommand[] = [];

  constructor(options: NftablesBackendOptions) {
    this.nft = new Nftables(familyWords(options.family).family, NFT_TABLE, options);
    this.node = options.node;
    this.log = options.log;
  }

  async replaceAll(updates: Iterable<ServiceUpdate>): Promise<void> {
    const node = this.node();
    this.refused.clear();
    const wanted = new NftLedger();
    for (const { service, ports } of updates)
      wanted.set(service, planNftService(ports, this.written.get(service), node));
    const culprits = await this.writeAll(wanted, node);
    for (const [service] of culprits) wanted.set(service, []);
    this.written = wanted;
    this.sharedRules = await this.listSharedRules(node);
    // By itself, to hear why.
    for (const [service, ports] of culprits) await this.write([pendingOf(service, [], ports)], node);
  }

  async update(updates: readonly ServiceUpdate[]): Promise<void> {
    const node = this.node();
    const pending: Pending[] = [];
    for (const { service, ports } of updates) {
      this.refused.delete(service);
      const before = this.written.get(service);
      const one = pendingOf(service, before, planNftService(ports, before, node));
      if (isEmptyNftDelta(one.delta)) this.written.set(service, one.ports);
      else pending.push(one);
    }
    if (pending.length === 0) return;
    // First, so that an address that comes back with this very write is there after it; content if someone took it meanwhile.
    const stale = this.written.takeStaleHairpins().map(address => `${address} . ${address}`);
    const clean: NftCommand[] = stale.length === 0 ? [] : [{ kind: 'removeElements', set: 'hairpin', elements: stale }];
    await this.write(pending, node, clean);
  }

  /** One question to the kernel, whatever rules others have here: could rules and an element of each map be deleted? */
  async hasDrifted(): Promise<boolean> {
    if (this.sharedRules.length === 0) return true;
    const samples = this.written
      .sampleElements()
      .map(({ set, key }): NftCommand => ({ kind: 'deleteElements', set, elements: [key] }));
    return !(await this.nft.wouldAccept([...this.sharedRules, ...samples]));
  }

  async cleanup(): Promise<boolean> {
    const isThere = (await this.nft.chainNames()).size > 0;
    await this.nft.apply([{ kind: 'removeTable' }]);
    this.written = new NftLedger();
    this.sharedChains = new Set();
    this.sharedRules = [];
    return isThere;
  }

  async path({ service, ports }: ServiceUpdate): Promise<readonly PathStep[]> {
    const planned = planNftService(ports, this.written.get(service), this.node());
    const pairs = planned.flatMap((port, i) => {
      const model = ports[i];
      return model === undefined ? [] : [[port, model] as const];
    });
    return nftPath(new NftListing(await this.nft.list()), pairs);
  }

  async compare(updates: readonly ServiceUpdate[]): Promise<readonly RuleDifference[]> {
    const node = this.node();
    const listing = new NftListing(await this.nft.list());
    const planOf = ({ service, ports }: ServiceUpdate) =>
      [service, planNftService(ports, this.written.get(service), node)] as const;
    return compareNft(listing, map(updates, planOf), node);
  }

  /** One transaction. @returns services that had to be left out */
  private async writeAll(wanted: NftLedger, node: NodeModel): Promise<readonly Planned[]> {
    const refill: FullWrite = { kind: 'refill', foundChains: await this.nft.chainNames() };
    if (await this.tryAll(wanted, refill, node)) return [];
    const isOurs = await this.wouldAcceptAll([], refill, node);
    if (!isOurs) this.log.warn({}, 'service rules of another version are replaced');
    const how: FullWrite = isOurs ? refill : { kind: 'recreate' };
    if (!isOurs && (await this.tryAll(wanted, how, node))) return [];
    const services = [...wanted.entries()];
    const culprits = await this.findCulprits(services, how, node);
    await this.applyAll(
      services.filter(service => !culprits.includes(service)),
      how,
      node,
    );
    return culprits;
  }

  private async tryAll(wanted: NftLedger, how: FullWrite, node: NodeModel): Promise<boolean> {
    try {
      await this.applyAll(wanted.entries(), how, node);
      return true;
    } catch (error) {
      if (!isRefused(error)) throw error;
      return false;
    }
  }

  private async applyAll(services: Iterable<Planned>, how: FullWrite, node: NodeModel): Promise<void> {
    const { family, table } = this.nft;
    const sharedChains = new Set<string>();
    const pieces = fullNftCommands(
      map(services, ([, ports]) => ports),
      how,
      node,
      sharedChains,
    );
    await this.nft.restore(map(pieces, commands => renderNft(family, table, commands)));
    this.sharedChains = sharedChains;
  }

  /** Halves until those that are refused stand alone; the kernel is only asked, since nothing may be gone for a moment. */
  private async findCulprits(
    services: readonly Planned[],
    how: FullWrite,
    node: NodeModel,
  ): Promise<readonly Planned[]> {
    if (await this.wouldAcceptAll(services, how, node)) return [];
    const middle = services.length >> 1;
    if (middle === 0) return services;
    return [
      ...(await this.findCulprits(services.slice(0, middle), how, node)),
      ...(await this.findCulprits(services.slice(middle), how, node)),
    ];
  }

  private async wouldAcceptAll(services: readonly Planned[], how: FullWrite, node: NodeModel): Promise<boolean> {
    const planned = services.map(([, ports]) => ports);
    try {
      return await this.nft.wouldAccept([...fullNftCommands(planned, how, node, new Set())].flat());
    } catch (error) {
      if (!isRefused(error)) throw error;
      return false;
    }
  }

  /** Halves what was refused until the culprits stand alone, and remembers what was written. */
  private async write(batch: readonly Pending[], node: NodeModel, first: readonly NftCommand[] = []): Promise<void> {
    const { commands, newSharedChains } = nftCommandsOf(
      batch.map(one => one.delta),
      this.sharedChains,
      node,
    );
    try {
      await this.nft.apply([...first, ...commands]);
    } catch (error) {
      if (!isRefused(error)) throw error;
      const middle = batch.length >> 1;
      if (middle > 0) {
        await this.write(batch.slice(0, middle), node, first);
        await this.write(batch.slice(middle), node);
        return;
      }
      // What was to be removed may be gone because someone flushed: then it is not the service that is at fault.
      if (await this.hasDrifted()) throw error;
      for (const { service } of batch) this.refuse(service, error.message);
      return;
    }
    for (const chain of newSharedChains) this.sharedChains.add(chain);
    for (const { service, ports } of batch) this.written.set(service, ports);
  }

  private async listSharedRules(node: NodeModel): Promise<readonly NftCommand[]> {
    const chains = (await this.nft.list(true))?.chains;
    return [...baseRules(node).keys(), ...this.sharedChains].flatMap(chain =>
      (chains?.get(chain)?.rules ?? []).map(({ handle }): NftCommand => ({ kind: 'deleteRule', chain, handle })),
    );
  }

  private refuse(service: string, reason: string): void {
    this.refused.set(service, reason);
    this.log.error({ service, reason }, 'no rules could be written for a service');
  }
}

function pendingOf(service: string, before: readonly NftPort[], ports: readonly NftPort[]): Pending {
  return { service, ports, delta: computeNftDelta(before, ports) };
}

function* map<T, U>(values: Iterable<T>, change: (value: T) => U): Generator<U> {
  for (const value of values) yield change(value);
}

/** By the kernel, by nft, or before: a RangeError is of a word that nft has no way to say. */
function isRefused(error: unknown): error is Error {
  return error instanceof RangeError || (error instanceof CommandError && error.failure === 'refused');
}
