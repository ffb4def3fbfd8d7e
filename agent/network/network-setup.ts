/**
 * One look at the pod network: what stands is compared with what is wanted, and only the difference is written; a second look changes
 * nothing. When to look is PodNetwork's business.
 */
import type { Informer } from '../../machinery/client/informer.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import type { Node } from '../../proto/api/core-v1.ts';
import type { Links } from '../host/links.ts';
import type { Attachments } from './attachments.ts';
import { CniDirectory, findCniPlugins } from './cni-directory.ts';
import { KernelSettings, type KernelSettingsOptions } from './kernel-settings.ts';
import type { NetworkRules } from './network-rules.ts';
import { NodeLinks, type NetworkFacts } from './node-links.ts';
import type { Attachment } from './plan/attachment.ts';
import { renderCniConfig } from './plan/cni-config.ts';
import { linkMtu, podMtu } from './plan/link-changes.ts';
import { peerOf, peersOf, type Peer } from './plan/peers.ts';
import { ALL_TUNNEL_DEVICES, planPodRoutes, type Encapsulation } from './plan/pod-routes.ts';
import { ruleModels } from './plan/rule-model.ts';
import type { ServiceRange } from './service-range.ts';

export interface NetworkSetupOptions extends KernelSettingsOptions {
  readonly nodes: Informer<Node>;
  readonly nodeName: string;
  readonly links: Links;
  readonly rules: NetworkRules;
  readonly serviceRange: ServiceRange;
  readonly attachments: Attachments;
  /** Of pods, one a family. */
  readonly clusterCIDRs: readonly string[];
  /** How packets get to other nodes' pods; `none` leaves the whole network to somebody else. */
  readonly mode: Encapsulation | 'none';
  readonly vxlanId: number;
  /** UDP. */
  readonly vxlanPort: number;
  /** At most 15 characters. */
  readonly bridge: string;
  /** The runtime's CNI configuration directory. */
  readonly cniConfDir: string;
  readonly cniIpamDir: string;
  /** Where plugins are looked for. */
  readonly cniPluginDirs: readonly string[];
  readonly log: Logger;
}

/** Whether pods can get a network here, as the node's condition says it. */
export interface NetworkStatus {
  readonly ready: boolean;
  readonly reason: string;
  readonly message: string;
}

/** What a look came to. */
export interface NetworkLook {
  /** Undefined: as it was before, until the Node objects are known. */
  readonly status: NetworkStatus | undefined;
  /** What was changed, in words. */
  readonly changes: readonly string[];
}

const MOST_PROBLEMS = 5;

export class NetworkSetup {
  private readonly options: NetworkSetupOptions;
  private readonly cni: CniDirectory;
  private readonly nodeLinks: NodeLinks;
  private readonly settings: KernelSettings;
  private ownLinks: ReadonlySet<string> = new Set();
  private problems = '';
  /** That rules were written for. */
  private hostPorts = '';

  constructor(options: NetworkSetupOptions) {
    this.options = options;
    this.cni = new CniDirectory(options.cniConfDir);
    this.nodeLinks = new NodeLinks({ ...options, attachments: () => options.attachments.list() });
    this.settings = new KernelSettings(options);
  }

  /** Links whose changes matter, as far as they are known. */
  get linkNames(): ReadonlySet<string> {
    return this.ownLinks;
  }

  /**
   * @param onServices called when service addresses have their place, before the rest is looked at
   * @throws CommandError, or Error in words for people, when something cannot be set up
   */
  async look(onServices: () => void): Promise<NetworkLook> {
    const { nodes, nodeName, serviceRange, clusterCIDRs, mode } = this.options;
    const facts = await this.nodeLinks.look();
    const wasOff = await this.settings.ensure([...new Set(clusterCIDRs.map(familyOf))], facts.routes);
    const changes = [...(wasOff ? ['kernel settings'] : []), ...(await serviceRange.ensure(facts))];
    onServices();
    this.ownLinks = new Set([...serviceRange.linkNames, ...this.ownLinks]);
    if (mode === 'none') {
      await this.cni.cleanup();
      return {
        changes,
        status: isReady('PodNetworkOff', 'pods get their network from elsewhere (--pod-network none)'),
      };
    }
    if (!nodes.hasSynced()) return { changes, status: undefined };
    const node = nodes.lister.get(undefined, nodeName);
    const self = node === undefined ? undefined : peerOf(node);
    if (self === undefined || self.ranges.length === 0)
      return { changes, status: isNotReady('NoPodCIDR', `node ${nodeName} has no spec.podCIDR yet`) };
    const { status, changes: more } = await this.connect(self, mode, facts);
    return { status, changes: [...changes, ...more] };
  }

  /** Whether pods with host ports came or went since rules were written. */
  async haveHostPortsChanged(): Promise<boolean> {
    const before = this.hostPorts;
    await this.withHostPorts();
    return this.hostPorts !== before;
  }

  /** Removes all of it; says what. */
  async cleanup(): Promise<string[]> {
    const { rules, serviceRange, attachments } = this.options;
    const removed: string[] = [];
    if (await rules.cleanup()) removed.push('rules of the pod network');
    removed.push(...(await this.nodeLinks.cleanup()));
    if (await serviceRange.cleanup()) removed.push('route of the service range');
    await this.cni.cleanup();
    await attachments.cleanup();
    return removed;
  }

  private async connect(self: Peer, mode: Encapsulation, facts: NetworkFacts): Promise<NetworkLook> {
    const { nodes, rules, serviceRange, clusterCIDRs, bridge, cniIpamDir: ipamDir, cniPluginDirs } = this.options;
    const foreign = await this.cni.foreign();
    if (foreign !== undefined) {
      await this.cni.cleanup();
      return { changes: [], status: isReady('OtherNetwork', `the network is left to ${foreign}`) };
    }
    const plugins = await findCniPlugins(cniPluginDirs);
    if (plugins.kind === 'missing') return { changes: [], status: isNotReady('CNIPluginsMissing', plugins.message) };

    const { others, conflicts } = peersOf(nodes.lister.list(), self, serviceRange.serviceCIDRs);
    const routes = planPodRoutes(self, others, mode, facts.routes);
    const mtu = podMtu(this.findMtu(self, facts), routes.tunnels);
    const { changes, failed } = await this.nodeLinks.ensure({ self, routes, mtu }, facts);
    const [podCIDRs, localServiceIPs] = [self.ranges, serviceRange.localServiceIPs];
    await this.cni.write(
      renderCniConfig({ podCIDRs, bridge, mtu, ipamDir, portmap: !rules.hasHostPorts, localServiceIPs }),
    );
    const attachments = await this.withHostPorts();
    const wasWritten = await rules.ensure(ruleModels({ clusterCIDRs, podCIDRs, localServiceIPs, attachments }));

    const refused = failed.map(({ command, reason }) => `${command}: ${reason}`);
    const problems = [...conflicts, ...routes.unreachable, ...(await rules.obstacles()), ...refused];
    this.tell(problems);
    const message = [`pods get addresses of ${podCIDRs.join(', ')}`, ...problems.slice(0, MOST_PROBLEMS)].join('; ');
    return { changes: wasWritten ? [...changes, 'rules'] : changes, status: isReady('NetworkReady', message) };
  }

  private async withHostPorts(): Promise<readonly Attachment[]> {
    if (!this.options.rules.hasHostPorts) return [];
    const attachments = (await this.options.attachments.list()).filter(({ hostPorts }) => hostPorts.length > 0);
    this.hostPorts = JSON.stringify(attachments);
    return attachments;
  }

  private findMtu({ addresses }: Peer, { links, routes }: NetworkFacts): number {
    const device = routes.find(({ dst }) => dst === 'default')?.dev;
    const carriers = links.filter(link => link.addr_info.some(({ local }) => addresses.includes(local)));
    this.ownLinks = new Set([
      ...this.options.serviceRange.linkNames,
      this.options.bridge,
      ...ALL_TUNNEL_DEVICES,
      ...carriers.map(({ ifname }) => ifname),
      ...(device === undefined ? [] : [device]),
    ]);
    return linkMtu(links, addresses, device);
  }

  /** Once each. */
  private tell(problems: readonly string[]): void {
    const text = problems.join('; ');
    if (text !== this.problems && text !== '') this.options.log.warn({ problems }, 'not all pods may be reached');
    this.problems = text;
  }
}

function isReady(reason: string, message: string): NetworkStatus {
  return { ready: true, reason, message };
}

function isNotReady(reason: string, message: string): NetworkStatus {
  return { ready: false, reason, message };
}

function familyOf(range: string): 'IPv4' | 'IPv6' {
  return range.includes(':') ? 'IPv6' : 'IPv4';
}
