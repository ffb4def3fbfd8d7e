/** Kernel settings that packets of pods and services need, for the families that the cluster has. */
import type { Logger } from '../../machinery/process/logger.ts';
import { readSysctl, type Sysctls } from '../host/sysctl.ts';
import type { Route } from '../host/links.ts';

export interface KernelSettingsOptions {
  /** With a memory of what they were; `undo` belongs to whoever resets the node. */
  readonly sysctls: Pick<Sysctls, 'set'>;
  /** Default: of this process's network. */
  readonly readSysctl?: (key: string) => Promise<string | undefined>;
  readonly log: Logger;
}

interface Setting {
  readonly name: string;
  readonly value: string;
  /** Whether nothing works without. */
  readonly required: boolean;
}

const SETTINGS: Readonly<Record<'IPv4' | 'IPv6', readonly Setting[]>> = {
  IPv4: [
    { name: 'net.ipv4.ip_forward', value: '1', required: true },
    // Without it, answers between pods of one bridge bypass the rules that would turn their address back.
    { name: 'net.bridge.bridge-nf-call-iptables', value: '1', required: false },
    // Node ports on 127.0.0.1; the proxy's firewall chain keeps neighbours out.
    { name: 'net.ipv4.conf.all.route_localnet', value: '1', required: false },
  ],
  IPv6: [
    { name: 'net.ipv6.conf.all.forwarding', value: '1', required: true },
    { name: 'net.bridge.bridge-nf-call-ip6tables', value: '1', required: false },
  ],
};

export class KernelSettings {
  private readonly options: KernelSettingsOptions;
  private readonly absent = new Set<string>();

  constructor(options: KernelSettingsOptions) {
    this.options = options;
  }

  /**
   * Sets what is not as it should be; says whether something was not.
   *
   * @param routes of both families
   * @throws Error naming the setting that this kernel lacks or refuses
   */
  async ensure(families: readonly ('IPv4' | 'IPv6')[], routes: readonly Route[]): Promise<boolean> {
    let changed = false;
    if (families.includes('IPv6')) {
      await this.checkIPv6();
      changed = await this.keepRouterAdvertisements(routes);
    }
    for (const family of families) for (const setting of SETTINGS[family]) if (await this.set(setting)) changed = true;
    return changed;
  }

  private async checkIPv6(): Promise<void> {
    const off = 'net.ipv6.conf.all.disable_ipv6';
    const value = await this.read(off);
    if (value === '0') return;
    const why = value === undefined ? 'this kernel has no IPv6' : `IPv6 is switched off (${off} is ${value})`;
    throw new Error(`The cluster has IPv6, and ${why}; switch it on, or give the cluster IPv4 ranges alone`);
  }

  /** A kernel that forwards believes routers no more, unless told to: the host would lose its own way out. */
  private async keepRouterAdvertisements(routes: readonly Route[]): Promise<boolean> {
    const links = routes.flatMap(({ dst, protocol, dev }) =>
      dst === 'default' && protocol === 'ra' && dev !== undefined ? [dev] : [],
    );
    let changed = false;
    for (const link of new Set(links)) {
      const name = `net/ipv6/conf/${link}/accept_ra`;
      if ((await this.read(name)) === '1' && (await this.set({ name, value: '2', required: false }))) changed = true;
    }
    return changed;
  }

  private async set({ name, value, required }: Setting): Promise<boolean> {
    const { sysctls, log } = this.options;
    const outcome = await sysctls.set(name, value);
    if (outcome === 'set') log.info({ sysctl: name, value }, 'kernel setting changed; a reset of the node undoes it');
    if (outcome === 'absent' && required) throw new Error(`This kernel has no ${name}`);
    if (outcome === 'absent' && !this.absent.has(name)) {
      this.absent.add(name);
      log.warn({ sysctl: name }, 'this kernel lacks a setting; services may not work between pods of this node');
    }
    return outcome === 'set';
  }

  private read(key: string): Promise<string | undefined> {
    return (this.options.readSysctl ?? readSysctl)(key);
  }
}
