/**
 * Where packets to service addresses go that no rule catches: nowhere. A bridge without ports takes the whole service range, so that
 * none of it ever leaves by the default gateway (some gateways answer any connection). An `unreachable` route would not do: it
 * fails before the rules can send the packet to a pod.
 *
 * A second one holds service addresses that each node answers itself, such as cluster DNS: pods, host processes and pods on the host
 * network reach them without any rule in between. It is a second one because an address on the first would become the source of
 * every packet that the host sends to a service; those of IPv6, which is less strict, are marked deprecated for the same reason.
 */
import type { AddressedLink, Links, Route } from '../host/links.ts';
import type { NetworkFacts } from './node-links.ts';
import { ROUTE_PROTOCOL, plainAddress } from './plan/pod-routes.ts';

export interface ServiceRangeOptions {
  readonly links: Links;
  /** At most 15 characters; default `k8ts-svc`. */
  readonly bridge?: string;
  /** At most 15 characters; default `k8ts-local`. */
  readonly addressBridge?: string;
  /** In canonical form, of either family. */
  readonly serviceCIDRs: readonly string[];
  /** Addresses within them that this node answers. */
  readonly localServiceIPs: readonly string[];
}

export class ServiceRange {
  private readonly options: ServiceRangeOptions;
  private readonly bridge: string;
  private readonly addressBridge: string;

  constructor(options: ServiceRangeOptions) {
    this.options = options;
    this.bridge = options.bridge ?? 'k8ts-svc';
    this.addressBridge = options.addressBridge ?? 'k8ts-local';
  }

  /** Names of the links that it makes. */
  get linkNames(): readonly string[] {
    return [this.bridge, this.addressBridge];
  }

  get serviceCIDRs(): readonly string[] {
    return this.options.serviceCIDRs;
  }

  get localServiceIPs(): readonly string[] {
    return this.options.localServiceIPs;
  }

  /** Makes what is missing; gives what it did, as words for `ip`. @throws CommandError */
  async ensure(facts: NetworkFacts): Promise<readonly string[]> {
    const { links, serviceCIDRs } = this.options;
    const changes = [
      ...this.linkNames.flatMap(name => linkChanges(name, facts.links)),
      ...this.addressChanges(facts.links),
      ...this.routeChanges(serviceCIDRs, facts.routes),
    ];
    await links.batch(changes);
    return changes;
  }

  private addressChanges(links: readonly AddressedLink[]): string[] {
    const name = this.addressBridge;
    const wanted = this.localServiceIPs.map(plainAddress);
    const held = (links.find(link => link.ifname === name)?.addr_info ?? [])
      .filter(({ family, scope }) => family === 'inet' || scope !== 'link')
      .map(({ local }) => local);
    return [
      ...held.filter(one => !wanted.includes(one)).map(one => `addr del ${one}/${lengthOf(one)} dev ${name}`),
      ...wanted
        .filter(one => !held.includes(one))
        .map(
          one =>
            `addr add ${one}/${lengthOf(one)} dev ${name} ${one.includes(':') ? 'nodad preferred_lft 0' : 'scope host'}`,
        ),
    ];
  }

  private routeChanges(wanted: readonly string[], routes: readonly Route[]): string[] {
    const ours = routes
      .filter(({ dev, protocol }) => dev === this.bridge && protocol === String(ROUTE_PROTOCOL))
      .map(({ dst }) => dst);
    return [
      ...ours
        .filter(dst => !wanted.includes(dst))
        .map(dst => `route del ${dst} dev ${this.bridge} proto ${ROUTE_PROTOCOL}`),
      ...wanted
        .filter(dst => !ours.includes(dst))
        .map(dst => `route replace ${dst} dev ${this.bridge} proto ${ROUTE_PROTOCOL}`),
    ];
  }

  /** Removes the bridges and with them addresses and route; true if one was there. */
  async cleanup(): Promise<boolean> {
    const { links } = this.options;
    const all = await links.list();
    const there = this.linkNames.filter(name => all.some(link => link.ifname === name));
    await links.batch(there.map(name => `link del dev ${name}`));
    return there.length > 0;
  }
}

function linkChanges(name: string, links: readonly AddressedLink[]): string[] {
  const found = links.find(link => link.ifname === name);
  return [
    ...(found === undefined ? [`link add name ${name} type bridge`] : []),
    ...(found?.flags.includes('UP') === true ? [] : [`link set dev ${name} up`]),
  ];
}

function lengthOf(address: string): number {
  return address.includes(':') ? 128 : 32;
}
