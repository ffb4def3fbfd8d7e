/**
 * The node's pod network: kernel settings, the service range's way to nowhere, the CNI configuration, the bridge, rules for masquerading
 * and forwarding, and the ways to the pods of other nodes.
 *
 * - What stands is compared with what is wanted, and only the difference is written; a second run changes nothing.
 * - It follows Node objects: a new node's route is there as soon as it has a range and an address, and goes with it.
 * - What somebody else changes (links, routes, forwarding, the configuration) is told by the kernel and repaired at once; rules, which
 *   nobody tells of, with the next regular look.
 * - Another network's configuration in the CNI directory is left alone; then no configuration, rule or route of ours is made.
 * - Nothing is removed when it stops: pods go on. `cleanup()` removes all.
 */
import { mkdir } from 'node:fs/promises';
import type { Informer } from '../../machinery/client/informer.ts';
import type { Clock } from '../../machinery/process/clock.ts';
import type { Component } from '../../machinery/process/component.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import type { Node } from '../../proto/api/core-v1.ts';
import { errorText } from '../../machinery/meta/error-text.ts';
import type { Links } from '../host/links.ts';
import { LinkMonitor } from '../host/link-monitor.ts';
import { Attachments, CNI_CACHE_DIR } from './attachments.ts';
import { CNI_PLUGIN_DIRS, CniDirectory, findCniPlugins } from './cni-directory.ts';
import { KernelSettings, type KernelSettingsOptions } from './kernel-settings.ts';
import type { NetworkRules } from './network-rules.ts';
import { NodeLinks, type NetworkFacts } from './node-links.ts';
import type { Attachment } from './plan/attachment.ts';
import { renderCniConfig } from './plan/cni-config.ts';
import { isRelevant } from './plan/link-event.ts';
import { linkMtu, podMtu } from './plan/link-changes.ts';
import { nodeFingerprint, peerOf, peersOf, type Peer } from './plan/peers.ts';
import { ALL_TUNNEL_DEVICES, planPodRoutes, type Encapsulation } from './plan/pod-routes.ts';
import { ruleModels } from './plan/rule-model.ts';
import type { ServiceRange } from './service-range.ts';
import { Wakeups } from './wakeups.ts';
import { WatchedDirectories } from './watch-directories.ts';

export interface PodNetworkOptions extends Pick<KernelSettingsOptions, 'sysctls'> {
  readonly nodes: Informer<Node>;
  readonly nodeName: string;
  readonly links: Links;
  readonly rules: NetworkRules;
  readonly serviceRange: ServiceRange;
  /** Of pods, one a family. */
  readonly clusterCIDRs: readonly string[];
  /** How packets get to other nodes' pods; `none` leaves the whole network to somebody else. Default `auto`. */
  readonly mode?: Encapsulation | 'none';
  /** Default 84. */
  readonly vxlanId?: number;
  /** UDP; default 8472, Linux' own. */
  readonly vxlanPort?: number;
  /** Default `k8ts0`; at most 15 characters. */
  readonly bridge?: string;
  /** The runtime's CNI configuration directory. */
  readonly cniConfDir: string;
  readonly cniIpamDir: string;
  /** Where plugins are looked for; see CNI_PLUGIN_DIRS. */
  readonly cniPluginDirs?: readonly string[];
  /** Where the runtime remembers what it attached; see CNI_CACHE_DIR. */
  readonly cniCacheDir?: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Tells when somebody changes rules; without, they are looked at more often. */
  readonly ruleChanges?: RuleChanges | undefined;
  /** How often all is compared with the kernel when nothing is told; default 20 s, or a minute if changes of rules are told too. */
  readonly checkMs?: number;
  /** Of another network namespace than this process's: words before commands, and how its settings are read. */
  readonly elsewhere?: {
    readonly prefix: readonly string[];
    readonly readSysctl: (key: string) => Promise<string | undefined>;
  };
}

/** Tells when somebody, be it this process, changes rules. */
export interface RuleChanges {
  /** Whether it can tell at the moment. */
  readonly watching: boolean;
  /** The returned function ends it. */
  onChange(listener: () => void): () => void;
}

/** Whether pods can get a network here, as the node's condition says it. */
export interface NetworkStatus {
  readonly ready: boolean;
  readonly reason: string;
  readonly message: string;
}

export const DEFAULT_VXLAN = { id: 84, port: 8472 } as const;

const CHECK_MS = 20_000;
const WATCHED_CHECK_MS = 60_000;
/** Whoever changes rules may not be done; and the proxy changes its own all the time. */
const RULES_SETTLE_MS = 500;
const RULES_GAP_MS = 10_000;
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 30_000;

export class PodNetwork implements Component {
  readonly name = 'network';
  private readonly options: PodNetworkOptions;
  private readonly cni: CniDirectory;
  private readonly attachments: Attachments;
  private readonly nodeLinks: NodeLinks;
  private readonly settings: KernelSettings;
  private readonly wakeups: Wakeups;
  private readonly directories: WatchedDirectories;
  private readonly cacheDirectory: WatchedDirectories;
  private readonly isSetUp: Promise<void>;
  private readonly settleSetUp: { resolve: () => void; reject: (error: unknown) => void };
  private readonly bridge: string;
  private current: NetworkStatus = {
    ready: false,
    reason: 'NetworkStarting',
    message: 'the pod network is being set up',
  };
  /** Links whose changes matter. */
  private ownLinks: ReadonlySet<string> = new Set();
  private conflicts = '';
  /** That rules were written for. */
  private hostPorts = '';
  private rulesCheckedMs = -Infinity;
  private isRulesCheckPlanned = false;

  constructor(options: PodNetworkOptions) {
    const { log, clock, links, sysctls, elsewhere, cniIpamDir } = options;
    this.options = options;
    this.bridge = options.bridge ?? 'k8ts0';
    this.cni = new CniDirectory(options.cniConfDir);
    this.attachments = new Attachments({ cacheDir: options.cniCacheDir ?? CNI_CACHE_DIR, ipamDir: cniIpamDir });
    this.nodeLinks = new NodeLinks({
      links,
      bridge: this.bridge,
      vxlanId: options.vxlanId ?? DEFAULT_VXLAN.id,
      vxlanPort: options.vxlanPort ?? DEFAULT_VXLAN.port,
      attachments: () => this.attachments.list(),
      log,
    });
    this.settings = new KernelSettings({
      sysctls,
      log,
      ...(elsewhere === undefined ? {} : { read: elsewhere.readSysctl }),
    });
    this.wakeups = new Wakeups(clock);
    this.directories = new WatchedDirectories(() => this.wakeups.disturb());
    this.cacheDirectory = new WatchedDirectories(() => void this.checkHostPorts());
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

  /** Which service addresses the node answers from now on. */
  setLocalServiceIPs(addresses: readonly string[]): void {
    this.options.serviceRange.setLocalServiceIPs(addresses);
    this.wakeups.wake();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { nodes, clock, elsewhere, ruleChanges } = this.options;
    const { wakeups } = this;
    const wake = (): void => wakeups.wake();
    const removeHandler = nodes.addHandler({
      onAdd: wake,
      // Heartbeats change a Node all the time; only ranges and addresses matter.
      onUpdate: (before, now) => void (nodeFingerprint(before) !== nodeFingerprint(now) && wake()),
      onDelete: wake,
    });
    const removeRulesHandler = ruleChanges?.onChange(() => this.suspectRules());
    const monitor = new LinkMonitor({
      clock,
      onLine: line => void (isRelevant(line, this.ownLinks) && wakeups.disturb()),
      onGap: () => wakeups.disturb(),
      ...(elsewhere === undefined ? {} : { prefix: elsewhere.prefix }),
    });
    signal.addEventListener('abort', wake);
    const monitoring = monitor.run(signal);
    try {
      await this.loop(signal);
    } finally {
      signal.removeEventListener('abort', wake);
      removeHandler();
      removeRulesHandler?.();
      this.directories.close();
      this.cacheDirectory.close();
      this.settleSetUp.reject(signal.reason ?? new Error('the pod network stopped before it was set up'));
      await monitoring;
    }
  }

  /** Removes everything that `run` made; says what. */
  async cleanup(): Promise<string[]> {
    const { rules, serviceRange } = this.options;
    const removed: string[] = [];
    if (await rules.cleanup()) removed.push('rules of the pod network');
    removed.push(...(await this.nodeLinks.cleanup()));
    if (await serviceRange.cleanup()) removed.push('route of the service range');
    await this.cni.cleanup();
    await this.attachments.cleanup();
    return removed;
  }

  private async loop(signal: AbortSignal): Promise<void> {
    const { ruleChanges, log } = this.options;
    let retryMs = 0;
    while (!signal.aborted) {
      const disturbed = this.wakeups.begin();
      try {
        const changes = await this.converge();
        retryMs = 0;
        if (disturbed) this.wakeups.repaired(changes.length);
        if (disturbed && changes.length > 0)
          log.warn({ changes: changes.slice(0, 20) }, 'the pod network was changed by somebody else, and is as it was');
      } catch (error) {
        retryMs = Math.min(Math.max(FIRST_RETRY_MS, retryMs * 2), MAX_RETRY_MS);
        this.set({ ready: false, reason: 'NetworkSetupFailed', message: errorText(error) });
        log.error({ error: String(error), retryMs }, 'the pod network could not be set up');
      }
      const { checkMs = ruleChanges?.watching === true ? WATCHED_CHECK_MS : CHECK_MS } = this.options;
      await this.wakeups.wait(retryMs > 0 ? retryMs : checkMs);
    }
  }

  private suspectRules(): void {
    if (this.isRulesCheckPlanned) return;
    const { clock } = this.options;
    this.isRulesCheckPlanned = true;
    const dueMs = Math.max(clock.monotonicMs() + RULES_SETTLE_MS, this.rulesCheckedMs + RULES_GAP_MS);
    clock.after(dueMs - clock.monotonicMs(), () => {
      this.isRulesCheckPlanned = false;
      this.wakeups.disturb();
    });
  }

  /** @returns what was changed of links, routes and settings */
  private async converge(): Promise<readonly string[]> {
    const { nodes, nodeName, serviceRange, clusterCIDRs, mode = 'auto' } = this.options;
    const facts = await this.nodeLinks.look();
    const wasOff = await this.settings.ensure([...new Set(clusterCIDRs.map(familyOf))], facts.routes);
    const changes = [...(wasOff ? ['kernel settings'] : []), ...(await serviceRange.ensure(facts))];
    this.settleSetUp.resolve();
    this.ownLinks = new Set(serviceRange.linkNames);
    if (mode === 'none') {
      await this.cni.cleanup();
      this.set({
        ready: true,
        reason: 'PodNetworkOff',
        message: 'pods get their network from elsewhere (none of ours)',
      });
      return changes;
    }
    if (!nodes.hasSynced()) return changes;
    const node = nodes.lister.get(undefined, nodeName);
    const self = node === undefined ? undefined : peerOf(node);
    if (self === undefined || self.ranges.length === 0) {
      this.set({ ready: false, reason: 'NoPodCIDR', message: `node ${nodeName} has no spec.podCIDR yet` });
      return changes;
    }
    return [...changes, ...(await this.connect(self, mode, facts))];
  }

  private async connect(self: Peer, mode: Encapsulation, facts: NetworkFacts): Promise<readonly string[]> {
    const { nodes, rules, serviceRange, clusterCIDRs } = this.options;
    const foreign = await this.cni.foreign();
    await this.followDirectories();
    if (foreign !== undefined) {
      await this.cni.cleanup();
      this.set({ ready: true, reason: 'OtherNetwork', message: `the network is left to ${foreign}` });
      return [];
    }
    const plugins = await findCniPlugins(this.options.cniPluginDirs);
    if (plugins.kind === 'missing') {
      this.set({ ready: false, reason: 'CNIPluginsMissing', message: plugins.message });
      return [];
    }
    const { others, conflicts } = peersOf(nodes.lister.list(), self);
    this.tellConflicts(conflicts);
    const routes = planPodRoutes(self, others, mode, facts.routes);
    const mtu = podMtu(this.findMtu(self, facts), routes.tunnels);
    const { changes, failed } = await this.nodeLinks.ensure({ self, routes, mtu }, facts);
    await this.cni.write(
      renderCniConfig({
        podCIDRs: self.ranges,
        bridge: this.bridge,
        mtu,
        ipamDir: this.options.cniIpamDir,
        portmap: !rules.hasHostPorts,
        localServiceIPs: serviceRange.localIPs,
      }),
    );
    const models = ruleModels({
      clusterCIDRs,
      podCIDRs: self.ranges,
      localServiceIPs: serviceRange.localIPs,
      attachments: await this.withHostPorts(),
    });
    const rulesWritten = await rules.ensure(models);
    this.rulesCheckedMs = this.options.clock.monotonicMs();
    const problems = [...conflicts, ...routes.unreachable, ...failed.map(one => `${one.command}: ${one.reason}`)];
    const message = `pods get addresses of ${self.ranges.join(', ')}`;
    this.set({ ready: true, reason: 'NetworkReady', message: [message, ...problems.slice(0, 5)].join('; ') });
    return rulesWritten ? [...changes, 'rules'] : changes;
  }

  private async followDirectories(): Promise<void> {
    const { cniConfDir, rules, cniCacheDir = CNI_CACHE_DIR, cniPluginDirs = CNI_PLUGIN_DIRS } = this.options;
    await this.directories.follow([cniConfDir, ...cniPluginDirs]);
    if (!rules.hasHostPorts) return;
    // As libcni makes it, which may not have had to yet.
    await mkdir(cniCacheDir, { recursive: true, mode: 0o700 });
    await this.cacheDirectory.follow([cniCacheDir]);
  }

  private async withHostPorts(): Promise<readonly Attachment[]> {
    if (!this.options.rules.hasHostPorts) return [];
    const attachments = (await this.attachments.list()).filter(({ hostPorts }) => hostPorts.length > 0);
    this.hostPorts = JSON.stringify(attachments);
    return attachments;
  }

  /** Each pod that comes or goes is told here; those without host ports cost no more than this. */
  private async checkHostPorts(): Promise<void> {
    const before = this.hostPorts;
    await this.withHostPorts();
    if (this.hostPorts !== before) this.wakeups.wake();
  }

  private findMtu(self: Peer, { links, routes }: NetworkFacts): number {
    const device = routes.find(({ dst }) => dst === 'default')?.dev;
    const carriers = links.filter(link => link.addr_info.some(({ local }) => self.addresses.includes(local)));
    const names = [...carriers.map(({ ifname }) => ifname), ...(device === undefined ? [] : [device])];
    this.ownLinks = new Set([...this.ownLinks, this.bridge, ...ALL_TUNNEL_DEVICES, ...names]);
    return linkMtu(links, self.addresses, device);
  }

  private tellConflicts(conflicts: readonly string[]): void {
    const text = conflicts.join('; ');
    if (text !== this.conflicts && text !== '') this.options.log.warn({ conflicts }, 'pod ranges that cannot be right');
    this.conflicts = text;
  }

  private set(status: NetworkStatus): void {
    if (status.reason === this.current.reason && status.message === this.current.message) return;
    this.current = status;
    this.options.log.info({ ...status }, 'pod network');
  }
}

function familyOf(range: string): 'IPv4' | 'IPv6' {
  return range.includes(':') ? 'IPv6' : 'IPv4';
}
