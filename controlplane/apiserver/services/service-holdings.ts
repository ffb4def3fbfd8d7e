/**
 * Puts together the parts that give Services addresses and ports: storage of the records, allocation, hooks, repair. Decides nothing.
 */
import type { Client } from '../../../machinery/client/client.ts';
import { EventRecorder } from '../../../machinery/client/event-recorder.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { RangeAllocation, Service } from '../../../proto/api/core-v1.ts';
import type { IPAddress, ServiceCIDR } from '../../../proto/api/networking-v1.ts';
import type { ResourceStorage, Storage } from '../storage/storage.ts';
import { AddressRange } from './address-range.ts';
import { NODE_PORT_STORAGE, NodePortRecord } from './node-port-record.ts';
import { PortRange } from './port-range.ts';
import { ServiceAddresses } from './service-addresses.ts';
import { ServiceHooks } from './service-hooks.ts';
import { ServiceRepair } from './service-repair.ts';

export interface ServiceHoldingsOptions {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Comma-separated, the primary family first. */
  readonly serviceCIDR: string;
  readonly nodePortRange: string;
}

export interface ServiceHoldings {
  readonly hooks: ServiceHooks;
  /** The address of `default/kubernetes`. */
  readonly firstAddress: string;
  repair(services: ResourceStorage<Service>, client: Client): ServiceRepair;
}

export function serviceHoldings(options: ServiceHoldingsOptions): ServiceHoldings {
  const { storage, clock, logger } = options;
  const networking = (
    resource: string,
    kind: string,
  ): { group: string; resource: string; apiVersion: string; kind: string; prefix: string } => ({
    group: 'networking.k8s.io',
    resource,
    apiVersion: 'networking.k8s.io/v1',
    kind,
    prefix: `/registry/${resource}/`,
  });
  const addresses = storage.resource<IPAddress>(networking('ipaddresses', 'IPAddress'));
  const cidrs = storage.resource<ServiceCIDR>(networking('servicecidrs', 'ServiceCIDR'));
  const defaults = options.serviceCIDR.split(',').map(cidr => new AddressRange(cidr.trim()));
  const taking = new ServiceAddresses({ addresses, cidrs, defaults, clock });
  const record = new NodePortRecord(
    new PortRange(options.nodePortRange),
    storage.resource<RangeAllocation>(NODE_PORT_STORAGE),
  );
  return {
    hooks: new ServiceHooks(taking, record, logger),
    firstAddress: defaults[0]?.first ?? '',
    repair: (services, client) =>
      new ServiceRepair({
        services,
        addresses,
        cidrs,
        defaults,
        taking,
        record,
        addressEvents: new EventRecorder({ client, clock, logger, component: 'ipallocator-repair-controller' }),
        portEvents: new EventRecorder({ client, clock, logger, component: 'portallocator-repair-controller' }),
        clock,
        logger,
      }),
  };
}
