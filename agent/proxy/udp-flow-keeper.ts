/**
 * Makes the kernel forget UDP flows that no longer go where they should, once the rules say where that is (see plan/udp-flows.ts). Of one
 * family. Flows that were there before the proxy are looked at once, after its first write.
 */
import { CommandError } from '../node-iptables/index.ts';
import type { Conntrack } from '../node-iptables/index.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import type { AddressFamily } from './plan/address.ts';
import { computeStaleFlows, findStaleFlows, matchesFlow } from './plan/udp-flows.ts';
import type { KnownFlow, UdpFlow, UdpState } from './plan/udp-flows.ts';

const MANY_FLOWS = 8;

export interface UdpFlowKeeperOptions {
  readonly family: AddressFamily;
  readonly conntrack: Pick<Conntrack, 'deleteFlows' | 'listFlows'>;
  readonly log: Logger;
}

export class UdpFlowKeeper {
  private readonly options: UdpFlowKeeperOptions;
  /** Of services with UDP ports alone. */
  private readonly states = new Map<string, readonly UdpState[]>();
  private started = false;
  private missing = false;

  constructor(options: UdpFlowKeeperOptions) {
    this.options = options;
  }

  /** The rules of these services now are as their states say. @param isAll no other service has rules */
  async follow(services: ReadonlyMap<string, readonly UdpState[]>, isAll: boolean): Promise<void> {
    const stale: UdpFlow[] = [];
    const { family } = this.options;
    if (isAll) {
      for (const [service, before] of this.states) {
        if (services.has(service)) continue;
        this.states.delete(service);
        stale.push(...computeStaleFlows(family, before, []));
      }
    }
    for (const [service, now] of services) {
      const before = this.states.get(service) ?? [];
      if (now.length === 0) this.states.delete(service);
      else this.states.set(service, now);
      if (this.started && (before.length > 0 || now.length > 0)) stale.push(...computeStaleFlows(family, before, now));
    }
    if (this.started) return this.forget(stale.length > MANY_FLOWS ? await this.existing(stale) : stale);
    this.started = true;
    if (this.states.size > 0) await this.forget(findStaleFlows(family, await this.known(), this.states.values()));
  }

  /** A command each costs more than to look first: of a thousand endpoints that went few have flows. */
  private async existing(stale: readonly UdpFlow[]): Promise<readonly UdpFlow[]> {
    const known = await this.known();
    return stale.filter(filter => known.some(flow => matchesFlow(filter, flow)));
  }

  private async known(): Promise<readonly KnownFlow[]> {
    const { family, conntrack } = this.options;
    if (this.missing) return [];
    try {
      return await conntrack.listFlows('udp', family === 'IPv4' ? 'ipv4' : 'ipv6');
    } catch (error) {
      this.give(error);
      return [];
    }
  }

  private async forget(flows: readonly UdpFlow[]): Promise<void> {
    for (const { family, ...flow } of flows) {
      if (this.missing) return;
      try {
        await this.options.conntrack.deleteFlows({ ...flow, family: family === 'IPv4' ? 'ipv4' : 'ipv6' });
      } catch (error) {
        this.give(error, flow);
      }
    }
  }

  /** Rules are right without; only old flows go on. */
  private give(error: unknown, flow?: object): void {
    if (!(error instanceof CommandError)) throw error;
    this.missing = error.failure === 'missing';
    this.options.log.warn(
      { flow, error: error.message },
      this.missing
        ? 'UDP flows to former endpoints go on until they end: the conntrack command is missing'
        : 'UDP flows to a former endpoint could not be ended',
    );
  }
}
