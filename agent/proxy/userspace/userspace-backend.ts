/**
 * Services without a packet filter: this process listens on their addresses and ports itself and forwards what comes.
 *
 * - One file descriptor a service address and port while there are endpoints, and two a connection.
 * - Endpoints see this node, not the client. SCTP cannot be forwarded.
 * - A port that somebody else of this host has is told of by service, and tried again.
 */
import { networkInterfaces } from 'node:os';
import { canonicalAddress, isWithin, parseNetwork } from '../../../machinery/meta/ip-number.ts';
import type { Links } from '../../host/links.ts';
import type { Sysctls } from '../../host/sysctl.ts';
import type { ProxyBackend, ServiceUpdate } from '../backend.ts';
import { ipFamilyOf } from '../../../machinery/meta/value-shapes.ts';
import type { AddressFamily } from '../plan/address.ts';
import type { NodeModel } from '../plan/model.ts';
import { planSockets } from '../plan/userspace-sockets.ts';
import type { PlannedSockets, SocketPlan } from '../plan/userspace-sockets.ts';
import type { ClientContext } from './client-rules.ts';
import { ServiceAddresses } from './service-addresses.ts';
import { TcpForwarder } from './tcp-forwarder.ts';
import { UdpForwarder } from './udp-forwarder.ts';

export interface UserspaceBackendOptions {
  readonly family: AddressFamily;
  readonly node: () => NodeModel;
  readonly serviceCIDR: string;
  readonly links: Links;
  readonly sysctls: Pick<Sysctls, 'set'>;
}

type Forwarder = TcpForwarder | UdpForwarder;

interface Held {
  readonly planned: PlannedSockets;
  readonly forwarders: Map<string, Forwarder>;
}

const RETRY_MS = 15_000;

export class UserspaceBackend implements ProxyBackend {
  readonly name = 'userspace';
  readonly refused = new Map<string, string>();
  private readonly options: UserspaceBackendOptions;
  private readonly addresses: ServiceAddresses;
  private readonly context: ClientContext;
  private readonly services = new Map<string, Held>();
  private readonly updates = new Map<string, ServiceUpdate>();
  private ownAddresses: readonly string[] = [];
  private retry: NodeJS.Timeout | undefined;
  /** Ends when all that was begun is done: a retry never comes between. */
  private work: Promise<void> = Promise.resolve();

  constructor(options: UserspaceBackendOptions) {
    this.options = options;
    const serviceNetwork = parseNetwork(options.serviceCIDR);
    this.addresses = new ServiceAddresses({ ...options, serviceNetwork });
    this.context = { node: options.node, serviceNetwork, ownAddresses: () => this.ownAddresses };
  }

  async replaceAll(updates: Iterable<ServiceUpdate>): Promise<void> {
    this.ownAddresses = this.readOwnAddresses();
    const all = [...updates];
    const wanted = new Set(all.map(({ service }) => service));
    const gone = [...this.services.keys()].filter(service => !wanted.has(service));
    await this.inTurn(() => this.apply([...gone.map(service => ({ service, ports: [] })), ...all]));
  }

  update(updates: readonly ServiceUpdate[]): Promise<void> {
    return this.inTurn(() => this.apply(updates));
  }

  /** The node has other addresses now; UDP node ports listen on each. */
  hasDrifted(): Promise<boolean> {
    return Promise.resolve(this.readOwnAddresses().join() !== this.ownAddresses.join());
  }

  async cleanup(): Promise<boolean> {
    clearTimeout(this.retry);
    const services = [...new Set([...this.services.keys(), ...this.updates.keys()])];
    await this.inTurn(async () => {
      await Promise.all(services.map(service => this.applyOne({ service, ports: [] })));
    });
    return this.addresses.release();
  }

  private async apply(updates: readonly ServiceUpdate[]): Promise<void> {
    const planned = new Map(updates.map(update => [update.service, this.plan(update)]));
    const held = [...this.services].filter(([service]) => !planned.has(service)).map(([, { planned: p }]) => p);
    await this.addresses.hold([...held, ...planned.values()].flatMap(({ addresses }) => addresses));
    // Ports that one service gives up may be another's now.
    for (const update of updates) await this.closeUnwanted(update.service, planned.get(update.service));
    await Promise.all(updates.map(update => this.applyOne(update)));
    this.scheduleRetry();
  }

  private inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.work.then(work);
    this.work = done.catch(() => {});
    return done;
  }

  private plan(update: ServiceUpdate): PlannedSockets {
    return planSockets(update.ports, this.options.node(), this.ownAddresses);
  }

  private async closeUnwanted(service: string, planned: PlannedSockets | undefined): Promise<void> {
    const held = this.services.get(service);
    if (held === undefined) return;
    const before = new Map(held.planned.sockets.map(plan => [plan.key, plan]));
    const wanted = new Map((planned?.sockets ?? []).map(plan => [plan.key, plan]));
    for (const [key, forwarder] of [...held.forwarders]) {
      const plan = wanted.get(key);
      if (plan !== undefined && plan.affinitySeconds === before.get(key)?.affinitySeconds) continue;
      held.forwarders.delete(key);
      await forwarder.close();
    }
  }

  private async applyOne(update: ServiceUpdate): Promise<void> {
    const { service } = update;
    const planned = this.plan(update);
    await this.closeUnwanted(service, planned);
    const { forwarders } = this.services.get(service) ?? { forwarders: new Map<string, Forwarder>() };
    const problems = [...planned.problems];
    for (const plan of planned.sockets) {
      const standing = forwarders.get(plan.key);
      if (standing !== undefined) {
        standing.update(plan);
        continue;
      }
      const forwarder = this.create(plan);
      try {
        await forwarder.listen();
        forwarders.set(plan.key, forwarder);
      } catch (error) {
        void forwarder.close();
        problems.push(
          `${plan.name} cannot listen on ${plan.address} port ${plan.port}/${plan.protocol}: ${String(error)}`,
        );
      }
    }
    if (planned.sockets.length === 0) this.services.delete(service);
    else this.services.set(service, { planned, forwarders });
    if (problems.length === 0) {
      this.refused.delete(service);
      this.updates.delete(service);
    } else {
      this.refused.set(service, problems.join('; '));
      this.updates.set(service, update);
    }
  }

  /** Whoever has a port may let it go without telling. */
  private scheduleRetry(): void {
    clearTimeout(this.retry);
    if (this.updates.size === 0) return;
    this.retry = setTimeout(() => {
      const again = async (): Promise<void> => {
        await Promise.all([...this.updates.values()].map(update => this.applyOne(update)));
        this.scheduleRetry();
      };
      void this.inTurn(again);
    }, RETRY_MS);
    this.retry.unref();
  }

  private create(plan: SocketPlan): Forwarder {
    return plan.protocol === 'TCP' ? new TcpForwarder(plan, this.context) : new UdpForwarder(plan, this.context);
  }

  private readOwnAddresses(): readonly string[] {
    const all = Object.values(networkInterfaces()).flatMap(list => list ?? []);
    const own = all.flatMap(({ address }) => canonicalAddress(address) ?? []);
    const isOwn = (address: string): boolean =>
      ipFamilyOf(address) === this.options.family &&
      !address.startsWith('fe80:') &&
      !isWithin(address, this.context.serviceNetwork);
    return [...new Set(own.filter(isOwn))].sort();
  }
}
