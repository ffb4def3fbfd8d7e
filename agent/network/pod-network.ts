/**
 * The node's pod network: kernel settings, the service range's way to nowhere, the CNI configuration, rules for masquerading and
 * forwarding, and routes to the pods of other nodes.
 *
 * - What stands is compared with what is wanted, and only the difference is written; a second run changes nothing.
 * - It follows Node objects: a new node's route is there as soon as it has a range and an address, and goes with it.
 * - Another network's configuration in the CNI directory is left alone; then no configuration, rule or route of ours is made.
 * - Nothing is removed when it stops: pods go on. `cleanup()` removes all.
 */
import type { Informer } from '../../machinery/client/informer.ts';
import type { Clock } from '../../machinery/process/clock.ts';
import type { Component } from '../../machinery/process/component.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import type { Node } from '../../proto/api/core-v1.ts';
import { errorText } from '../../machinery/meta/error-text.ts';
import type { Links } from '../host/links.ts';
import type { Sysctls } from '../host/sysctl.ts';
import type { Iptables } from '../node-iptables/index.ts';
import { CniDirectory, findCniPlugins } from './cni-directory.ts';
import { renderCniConfig } from './plan/cni-config.ts';
import { networkRuleChanges, networkRuleCleanup } from './plan/network-rules.ts';
import {
  ROUTE_PROTOCOL,
  computeNodeRoutes,
  diffRoutes,
  internalIPs,
  nodeFingerprint,
  podCIDRsOf,
} from './plan/node-routes.ts';
import type { PodRoute } from './plan/node-routes.ts';
import type { ServiceRange } from './service-range.ts';

export interface PodNetworkOptions {
  readonly nodes: Informer<Node>;
  readonly nodeName: string;
  readonly links: Links;
  readonly iptables: Iptables;
  readonly serviceRange: ServiceRange;
  /** Kernel settings, with a memory of what they were; `undo` belongs to whoever resets the node. */
  readonly sysctls: Pick<Sysctls, 'set'>;
  readonly clusterCIDR: string;
  readonly localServiceIPs: readonly string[];
  /** Default `k8ts0`; at most 15 characters. */
  readonly bridge?: string;
  /** The runtime's CNI configuration directory. */
  readonly cniConfDir: string;
  readonly cniIpamDir: string;
  /** Where plugins are looked for; see CNI_PLUGIN_DIRS. */
  readonly cniPluginDirs?: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
  /** How often rules and routes are compared with the kernel when nothing changes; default 60 s. */
  readonly checkMs?: number;
}

/** Whether pods can get a network here, as the node's condition says it. */
export interface NetworkStatus {
  readonly ready: boolean;
  readonly reason: string;
  readonly message: string;
}

/** Kernel settings, and whether the network works without. */
const SYSCTLS = [
  { name: 'net.ipv4.ip_forward', value: '1', required: true },
  // Without it, answers between pods of one bridge bypass the rules that would turn their address back.
  { name: 'net.bridge.bridge-nf-call-iptables', value: '1', required: false },
  // Node ports on 127.0.0.1; the proxy's firewall chain keeps neighbours out.
  { name: 'net.ipv4.conf.all.route_localnet', value: '1', required: false },
] as const;

const MAX_RETRY_MS = 30_000;

export class PodNetwork implements Component {
  readonly name = 'network';
  private readonly options: PodNetworkOptions;
  private readonly cni: CniDirectory;
  private readonly bridge: string;
  private current: NetworkStatus = {
    ready: false,
    reason: 'NetworkStarting',
    message: 'the pod network is being set up',
  };
  private wake: (() => void) | undefined;
  private dirty = true;
  private readonly isSetUp: Promise<void>;
  private readonly settleSetUp: { resolve: () => void; reject: (error: unknown) => void };
  private readonly unreachable = new Set<string>();
  private readonly absent = new Set<string>();

  constructor(options: PodNetworkOptions) {
    this.options = options;
    this.bridge = options.bridge ?? 'k8ts0';
    this.cni = new CniDirectory(options.cniConfDir);
    let settle: { resolve: () => void; reject: (error: unknown) => void } | undefined;
    this.isSetUp = new Promise((resolve, reject) => (settle = { resolve, reject }));
    this.isSetUp.catch(() => {});
    this.settleSetUp = settle ?? { resolve: () => {}, reject: () => {} };
  }

  /** Resolves once service addresses have their place: cluster DNS can bind. The network itself waits for the node's range. */
  ready(): Promise<void> {
    return this.isSetUp;
  }

  status(): NetworkStatus {
    return this.current;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { nodes, clock, log } = this.options;
    const touch = (): void => {
      this.dirty = true;
      this.wake?.();
    };
    const removeHandler = nodes.addHandler({
      onAdd: touch,
      // Heartbeats change a Node all the time; only ranges and addresses matter.
      onUpdate: (before, now) => void (nodeFingerprint(before) !== nodeFingerprint(now) && touch()),
      onDelete: touch,
    });
    signal.addEventListener('abort', touch);
    let retryMs = 0;
    try {
      while (!signal.aborted) {
        this.dirty = false;
        try {
          await this.converge();
          retryMs = 0;
        } catch (error) {
          retryMs = Math.min(Math.max(500, retryMs * 2), MAX_RETRY_MS);
          this.set({
            ready: false,
            reason: 'NetworkSetupFailed',
            message: errorText(error),
          });
          log.error({ error: String(error), retryMs }, 'the pod network could not be set up');
        }
        await this.untilChanged(clock, retryMs > 0 ? retryMs : (this.options.checkMs ?? 60_000));
      }
    } finally {
      signal.removeEventListener('abort', touch);
      removeHandler();
      this.settleSetUp.reject(signal.reason ?? new Error('the pod network stopped before it was set up'));
    }
  }

  /** Removes everything that `run` made; says what. */
  async cleanup(): Promise<string[]> {
    const { links, iptables, serviceRange } = this.options;
    const removed: string[] = [];
    const changes = networkRuleCleanup(await iptables.save());
    if (changes.some(change => (change.deleteChains?.length ?? 0) > 0)) removed.push('rules of the pod network');
    await iptables.apply(changes);
    const routes = await this.podRoutes();
    await links.batch(routes.map(deleteRoute));
    if (routes.length > 0) removed.push(`${routes.length} routes to other nodes`);
    if (await serviceRange.cleanup()) removed.push('route of the service range');
    if ((await links.list()).some(link => link.ifname === this.bridge)) {
      await links.batch([`link del ${this.bridge}`]);
      removed.push(`bridge ${this.bridge}`);
    }
    await this.cni.cleanup();
    return removed;
  }

  private async converge(): Promise<void> {
    const { nodes, nodeName, iptables, serviceRange, clusterCIDR, localServiceIPs } = this.options;
    await this.ensureSysctls();
    await serviceRange.ensure();
    this.settleSetUp.resolve();
    if (!nodes.hasSynced()) return;
    const self = nodes.lister.get(undefined, nodeName);
    const podCIDRs = self === undefined ? [] : podCIDRsOf(self);
    if (self === undefined || podCIDRs.length === 0) {
      return this.set({ ready: false, reason: 'NoPodCIDR', message: `node ${nodeName} has no spec.podCIDR yet` });
    }
    const plugins = await findCniPlugins(this.options.cniPluginDirs);
    if (plugins.kind === 'missing')
      return this.set({ ready: false, reason: 'CNIPluginsMissing', message: plugins.message });

    const mtu = await this.findMtu(internalIPs(self));
    const config = renderCniConfig({ podCIDRs, bridge: this.bridge, mtu, ipamDir: this.options.cniIpamDir });
    const foreign = await this.cni.write(config);
    if (foreign !== undefined) {
      return this.set({ ready: true, reason: 'OtherNetwork', message: `the network is left to ${foreign}` });
    }
    const podCIDR = podCIDRs.find(cidr => !cidr.includes(':'));
    await iptables.apply(networkRuleChanges(await this.savedRules(), { clusterCIDR, podCIDR, localServiceIPs }));
    await this.writeRoutes(computeNodeRoutes(nodes.lister.list(), nodeName));
    this.set({ ready: true, reason: 'NetworkReady', message: `pods get addresses of ${podCIDRs.join(', ')}` });
  }

  private async ensureSysctls(): Promise<void> {
    for (const { name, value, required } of SYSCTLS) {
      const outcome = await this.options.sysctls.set(name, value);
      if (outcome === 'set')
        this.options.log.info({ sysctl: name, value }, 'kernel setting changed; a reset of the node undoes it');
      if (outcome !== 'absent' || this.absent.has(name)) continue;
      if (required) throw new Error(`this kernel has no ${name}`);
      this.absent.add(name);
      this.options.log.warn(
        { sysctl: name },
        'this kernel lacks a setting; services may not work between pods of this node',
      );
    }
  }

  private async writeRoutes(wanted: readonly PodRoute[]): Promise<void> {
    const { links, log } = this.options;
    const { replace, remove } = diffRoutes(wanted, await this.podRoutes());
    const orders = [...remove.map(deleteRoute), ...replace.map(replaceRoute)];
    try {
      await links.batch(orders);
      this.unreachable.clear();
    } catch {
      // One node without a common network must not keep the others from theirs.
      for (const route of remove) await links.batch([deleteRoute(route)]).catch(() => {});
      for (const route of replace) {
        await links.batch([replaceRoute(route)]).catch((error: unknown) => {
          if (this.unreachable.has(route.destination)) return;
          this.unreachable.add(route.destination);
          log.warn({ ...route, error: String(error) }, 'no route to the pods of another node');
        });
      }
    }
  }

  /** Of the link that carries the node's address, else of the default route's. */
  private async findMtu(nodeIPs: readonly string[]): Promise<number> {
    const all = await this.options.links.addresses();
    const carrier = all.find(l => l.ifname !== 'lo' && l.addr_info.some(info => nodeIPs.includes(info.local)));
    if (carrier !== undefined) return carrier.mtu;
    const dev = (await this.options.links.routes()).find(route => route.dst === 'default')?.dev;
    return all.find(link => link.ifname === dev)?.mtu ?? 1500;
  }

  /** Routes that bear our protocol number, but for those to a link of ours. */
  private async podRoutes(): Promise<PodRoute[]> {
    const { links } = this.options;
    const all = [...(await links.routes(4)), ...(await links.routes(6))];
    return all
      .filter(route => route.protocol === String(ROUTE_PROTOCOL) && route.gateway !== undefined)
      .map(route => ({ destination: withLength(route.dst), via: route.gateway }));
  }

  /** Only the chains that matter: a table may hold the rules of thousands of services. */
  private async savedRules(): ReturnType<Iptables['save']> {
    const chains = {
      nat: ['POSTROUTING', 'K8TS-POSTROUTING'],
      filter: ['FORWARD', 'INPUT', 'K8TS-FORWARD', 'K8TS-INPUT'],
    };
    const saved: Awaited<ReturnType<Iptables['save']>> = new Map();
    for (const table of ['nat', 'filter'] as const) {
      const found = new Map();
      for (const name of chains[table]) {
        const rules = await this.options.iptables.listChain(table, name);
        if (rules !== undefined)
          found.set(name, { counters: { packets: 0, bytes: 0 }, rules: rules.map(text => ({ text })) });
      }
      saved.set(table, found);
    }
    return saved;
  }

  private set(status: NetworkStatus): void {
    if (status.reason === this.current.reason && status.message === this.current.message) return;
    this.current = status;
    this.options.log.info({ ...status }, 'pod network');
  }

  private untilChanged(clock: Clock, delayMs: number): Promise<void> {
    if (this.dirty) return Promise.resolve();
    return new Promise(resolve => {
      const done = (): void => {
        cancel();
        this.wake = undefined;
        resolve();
      };
      const cancel = clock.after(delayMs, done);
      this.wake = done;
    });
  }
}

function replaceRoute(route: PodRoute): string {
  return `route replace ${route.destination} via ${route.via} proto ${ROUTE_PROTOCOL}`;
}

function deleteRoute(route: PodRoute): string {
  return `route del ${route.destination} proto ${ROUTE_PROTOCOL}`;
}

// `ip` leaves the length of a host route out.
function withLength(destination: string): string {
  if (destination.includes('/')) return destination;
  return `${destination}/${destination.includes(':') ? 128 : 32}`;
}
