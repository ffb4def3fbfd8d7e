/**
 * Makes service addresses the node's own, so that sockets can be bound to them: one local route for the whole range, whatever number of services
 * there is, and one for each address outside it. What has no socket is refused by the kernel, and none of the range leaves the node.
 */
import { isWithin } from '../../../machinery/meta/ip-number.ts';
import type { IpNetwork } from '../../../machinery/meta/ip-number.ts';
import { CommandError } from '../../host/command-error.ts';
import type { Links } from '../../host/links.ts';
import type { Sysctls } from '../../host/sysctl.ts';
import type { AddressFamily } from '../plan/address.ts';
import { hostCidr } from '../plan/address.ts';

/** By which our local routes are known (`ip route show table local proto 85`). */
export const LOCAL_ROUTE_PROTOCOL = 85;

export interface ServiceAddressesOptions {
  readonly family: AddressFamily;
  readonly links: Links;
  /** For IPv6, whose sockets must else have an address of a link. */
  readonly sysctls: Pick<Sysctls, 'set'>;
  readonly serviceCIDR: string;
  readonly serviceNetwork: IpNetwork;
}

export class ServiceAddresses {
  private readonly options: ServiceAddressesOptions;
  private held: ReadonlySet<string> | undefined;

  constructor(options: ServiceAddressesOptions) {
    this.options = options;
  }

  /** @param addresses those outside the range too @throws CommandError */
  async hold(addresses: Iterable<string>): Promise<void> {
    const { links, family, sysctls, serviceCIDR, serviceNetwork } = this.options;
    const others = [...addresses].filter(address => !isWithin(address, serviceNetwork));
    const wanted = new Set([serviceCIDR, ...others.map(hostCidr)]);
    if (this.held === undefined) {
      if (family === 'IPv6') await sysctls.set('net.ipv6.ip_nonlocal_bind', '1');
      this.held = new Set(await this.found());
    }
    const { held } = this;
    const missing = [...wanted].filter(cidr => !held.has(cidr));
    const stale = [...held].filter(cidr => !wanted.has(cidr));
    if (missing.length + stale.length === 0) return;
    // What stands after a failure is looked up again.
    this.held = undefined;
    await links.batch([
      ...missing.map(cidr => `route replace ${routeOf(cidr)}`),
      ...stale.map(cidr => `route del ${routeOf(cidr)}`),
    ]);
    this.held = wanted;
  }

  /** @returns whether there was anything */
  async release(): Promise<boolean> {
    this.held = undefined;
    const found = await this.found().catch((error: unknown) => {
      // Without the family there is no route of it.
      if (error instanceof CommandError) return [];
      throw error;
    });
    await this.options.links.batch(found.map(cidr => `route del ${routeOf(cidr)}`));
    return found.length > 0;
  }

  private async found(): Promise<string[]> {
    const { links, family } = this.options;
    const routes = await links.localRoutes(family === 'IPv4' ? 4 : 6, LOCAL_ROUTE_PROTOCOL);
    return routes.map(({ dst }) => (dst.includes('/') ? dst : hostCidr(dst)));
  }
}

function routeOf(cidr: string): string {
  return `local ${cidr} dev lo proto ${LOCAL_ROUTE_PROTOCOL}`;
}
