/**
 * Leaves the cluster's DNS addresses to whoever else answers there, CoreDNS for instance, and takes them back.
 *
 * An address is handed over by the proxy's rules alone: once its Service has ready endpoints, the address counts no longer as one that the
 * node answers itself, the proxy writes rules for it as for any other, and these catch packets before they reach us. We hold the address
 * and listen on as before. So there is no moment at which nobody answers, neither when the first endpoint comes nor when the last goes:
 * the rules go, and we are there.
 */
import { keyOf } from '../../machinery/meta/object.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import type { ListerRecords } from './lister-records.ts';
import { isHandedOver } from './plan/decide-handover.ts';
import { fullAddress } from './plan/reverse-name.ts';

export interface DnsHandoverOptions {
  /** The cluster's DNS addresses, one a family. */
  readonly addresses: readonly string[];
  readonly records: ListerRecords;
  readonly log: Logger;
}

export class DnsHandover {
  private readonly options: DnsHandoverOptions;
  private own: readonly string[];

  constructor(options: DnsHandoverOptions) {
    this.options = options;
    this.own = options.addresses;
  }

  /** The addresses that this node answers itself now. */
  answeredHere(): readonly string[] {
    return this.own;
  }

  /** Calls `changed` when these become others, in the same turn as the change that is the reason; the returned function ends that. */
  follow(changed: () => void): () => void {
    const { records, log } = this.options;
    // The Service that has the address: the one whose changes matter.
    let owners = new Set<string>();
    const look = (service: string): void => {
      if (service === '' || (!owners.has(service) && !this.owners().has(service))) return;
      owners = this.owners();
      const own = this.options.addresses.filter(address => !this.isOthers(address));
      if (own.join() === this.own.join()) return;
      this.own = own;
      const text =
        'cluster DNS: the addresses that this node answers itself; endpoints of the Service answer the others';
      log.info({ addresses: own }, text);
      changed();
    };
    return records.follow({ changed: look, headless: () => {} });
  }

  private owners(): Set<string> {
    const services = this.options.addresses.map(address => this.options.records.serviceByIP(fullAddress(address)));
    return new Set(services.flatMap(service => (service === undefined ? [] : [keyOf(service)])));
  }

  private isOthers(address: string): boolean {
    const { records } = this.options;
    const service = records.serviceByIP(fullAddress(address));
    const { namespace = '', name = '' } = service?.metadata ?? {};
    return isHandedOver(address, service, service === undefined ? [] : records.slices(namespace, name));
  }
}
