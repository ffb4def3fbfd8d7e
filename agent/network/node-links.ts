/**
 * The links and routes of the pod network on this node: bridge, tunnels, ways to other nodes' pods, and what pods hang on. Compares with
 * the kernel and writes the difference.
 *
 * A bridge that somebody deleted leaves the pods' links without a master: it is made anew with the same hardware address, and those
 * links, which CNI remembers, are put on it again. Pods notice a pause and nothing else.
 */
import type { Logger } from '../../machinery/process/logger.ts';
import type { AddressedLink, FailedChange, Links, Route } from '../host/links.ts';
import type { Attachment } from './plan/attachment.ts';
import { bridgeChanges, tunnelChanges, type TunnelSettings } from './plan/link-changes.ts';
import { ALL_TUNNEL_DEVICES, withLength, type PodRoutes, type Tunnel } from './plan/pod-routes.ts';
import type { Peer } from './plan/peers.ts';
import {
  deleteRoute,
  forwardingChanges,
  neighbourChanges,
  podRoutesAmong,
  routeChanges,
  type RouteChanges,
} from './plan/route-changes.ts';

/** The kernel's state at one moment. */
export interface NetworkFacts {
  readonly links: readonly AddressedLink[];
  /** Of both families. */
  readonly routes: readonly Route[];
}

export interface NodeLinksPlan {
  readonly self: Peer;
  readonly routes: PodRoutes;
  readonly mtu: number;
}

/** What was done, and what could not be, as words for `ip` and `bridge`. */
export interface LinkChanges {
  readonly changes: readonly string[];
  readonly failed: readonly FailedChange[];
}

export interface NodeLinksOptions extends TunnelSettings {
  readonly links: Links;
  readonly bridge: string;
  readonly attachments: () => Promise<readonly Attachment[]>;
  readonly log: Logger;
}

export class NodeLinks {
  private readonly options: NodeLinksOptions;
  /** Changes that the kernel refused when last tried: told once. */
  private refused = new Set<string>();

  constructor(options: NodeLinksOptions) {
    this.options = options;
  }

  async look(): Promise<NetworkFacts> {
    const { links } = this.options;
    const [all, four, six] = await Promise.all([links.addresses(), links.routes(4), links.routes(6)]);
    return { links: all, routes: [...four, ...six] };
  }

  /** @throws CommandError when the bridge or a tunnel cannot be made */
  async ensure({ self, routes, mtu }: NodeLinksPlan, facts: NetworkFacts): Promise<LinkChanges> {
    const { links, bridge, vxlanId, vxlanPort } = this.options;
    const { name: nodeName, ranges } = self;
    const devices = [
      ...bridgeChanges({ name: bridge, nodeName, ranges, mtu }, facts.links, facts.routes),
      ...routes.tunnels.flatMap(({ device: name, local }) =>
        tunnelChanges({ name, nodeName, ranges, local, mtu, vxlanId, vxlanPort }, facts.links),
      ),
      ...unusedTunnels(routes.tunnels, facts.links).map(name => `link del dev ${name}`),
    ];
    await links.batch(devices);
    const all = [{ changes: devices, failed: [] }, await this.attach(mtu, facts.links)];
    // What a device that went took along is written again.
    const routesNow = devices.length === 0 ? facts.routes : (await this.look()).routes;
    all.push(await this.carryOut('ip', routeChanges(routes.routes, routesNow)));
    for (const tunnel of routes.tunnels) {
      const [neighbours, entries] = [await links.neighbours(tunnel.device), await links.forwarding(tunnel.device)];
      all.push(await this.carryOut('ip', neighbourChanges(tunnel, neighbours)));
      all.push(await this.carryOut('bridge', forwardingChanges(tunnel, entries)));
    }
    const failed = all.flatMap(one => one.failed);
    this.tell(failed);
    return { changes: all.flatMap(one => one.changes), failed };
  }

  /** @returns what there was */
  async cleanup(): Promise<string[]> {
    const { links, bridge } = this.options;
    const facts = await this.look();
    const removed: string[] = [];
    const routes = podRoutesAmong(facts.routes).map(({ dst }) => deleteRoute(withLength(dst)));
    await links.batchEach('ip', routes);
    if (routes.length > 0) removed.push(`${routes.length} routes to other nodes`);
    for (const name of [...ALL_TUNNEL_DEVICES, bridge]) {
      if (!facts.links.some(({ ifname }) => ifname === name)) continue;
      await links.batch([`link del dev ${name}`]);
      removed.push(name === bridge ? `bridge ${name}` : `tunnels ${name}`);
    }
    return removed;
  }

  /** Puts pods' links back on the bridge, and gives them the MTU of now. */
  private async attach(mtu: number, known: readonly AddressedLink[]): Promise<LinkChanges> {
    const { links, bridge, attachments } = this.options;
    const isWrong = (link: AddressedLink): boolean =>
      link.linkinfo?.info_kind === 'veth' &&
      (link.master === undefined || (link.master === bridge && link.mtu !== mtu));
    if (!known.some(isWrong)) return { changes: [], failed: [] };
    const ours = new Map((await attachments()).map(one => [one.hostLink, one]));
    const wrong = known.filter(link => isWrong(link) && ours.has(link.ifname));
    const commands = wrong.flatMap(({ ifname, mtu: mtuNow }) => [
      ...(mtuNow === mtu ? [] : [`link set dev ${ifname} mtu ${mtu}`]),
      `link set dev ${ifname} master ${bridge} up`,
      `link set dev ${ifname} type bridge_slave hairpin on`,
    ]);
    const failed = await links.batchEach('ip', commands);
    for (const { ifname, mtu: mtuNow } of wrong) {
      const attachment = ours.get(ifname);
      if (mtuNow === mtu || attachment === undefined) continue;
      const { namespacePath, interfaceName } = attachment;
      // A pod that just ends has no namespace any more.
      await links.batchWithin(namespacePath, [`link set dev ${interfaceName} mtu ${mtu}`]).catch((error: unknown) => {
        this.options.log.debug({ link: ifname, error: String(error) }, 'the MTU of a pod could not be changed');
      });
    }
    return { changes: commands, failed };
  }

  private async carryOut(program: 'ip' | 'bridge', { remove, replace }: RouteChanges): Promise<LinkChanges> {
    const commands = [...remove, ...replace];
    // One node without a common network must not keep the others from theirs.
    const failed = await this.options.links.batchEach(program, commands);
    return { changes: commands.filter(command => !failed.some(one => one.command === command)), failed };
  }

  private tell(failed: readonly FailedChange[]): void {
    for (const { command, reason } of failed) {
      if (!this.refused.has(command))
        this.options.log.warn({ command, reason }, 'a change to links or routes was refused');
    }
    this.refused = new Set(failed.map(({ command }) => command));
  }
}

function unusedTunnels(used: readonly Tunnel[], links: readonly AddressedLink[]): string[] {
  return ALL_TUNNEL_DEVICES.filter(
    name => links.some(link => link.ifname === name) && !used.some(({ device }) => device === name),
  );
}
