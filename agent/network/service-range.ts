/**
 * Where packets to service addresses go that no rule catches: nowhere. A bridge without ports takes the whole service range, so that
 * none of it ever leaves by the default gateway (some gateways answer any connection). An `unreachable` route would not do: it
 * fails before the rules can send the packet to a pod.
 *
 * A second one holds service addresses that each node answers itself, such as cluster DNS: pods, host processes and pods on the host
 * network reach them without any rule in between. It is a second one because an address on the first would become the source of
 * every packet that the host sends to a service.
 */
import type { Links } from '../host/links.ts';
import { ROUTE_PROTOCOL } from './plan/node-routes.ts';

export interface ServiceRangeOptions {
  readonly links: Links;
  /** At most 15 characters; default `k8ts-svc`. */
  readonly bridge?: string;
  /** At most 15 characters; default `k8ts-local`. */
  readonly addressBridge?: string;
  readonly serviceCIDR: string;
  /** Addresses within it that this node answers. */
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

  /** Makes what is missing; does nothing if all is there. @throws CommandError */
  async ensure(): Promise<void> {
    const { links, serviceCIDR, localServiceIPs } = this.options;
    const there = await links.addresses();
    const missing = [this.bridge, this.addressBridge].filter(name => !there.some(link => link.ifname === name));
    const held = (there.find(link => link.ifname === this.addressBridge)?.addr_info ?? []).map(info => info.local);
    const stale = held.filter(address => !address.includes(':') && !localServiceIPs.includes(address));
    await links.batch([
      ...missing.map(name => `link add ${name} type bridge`),
      `link set ${this.bridge} up`,
      `link set ${this.addressBridge} up`,
      ...stale.map(address => `addr del ${address}/32 dev ${this.addressBridge}`),
      ...localServiceIPs.map(address => `addr replace ${address}/32 dev ${this.addressBridge} scope host`),
      `route replace ${serviceCIDR} dev ${this.bridge} proto ${ROUTE_PROTOCOL}`,
    ]);
  }

  /** Removes the bridges and with them addresses and route; true if one was there. */
  async cleanup(): Promise<boolean> {
    const { links } = this.options;
    const all = await links.list();
    const there = [this.bridge, this.addressBridge].filter(name => all.some(link => link.ifname === name));
    await links.batch(there.map(name => `link del ${name}`));
    return there.length > 0;
  }
}
