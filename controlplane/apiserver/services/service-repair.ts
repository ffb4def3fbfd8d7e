/**
 * Keeps what Services hold (cluster addresses, node ports) and the records of it in agreement: once at start, then now and then.
 * Also keeps the ServiceCIDR `kubernetes`, which shows the ranges of --service-cidr, and says of ServiceCIDRs that they are ready.
 * Several API servers do this at once without harm.
 */
import type { EventSink } from '../../../machinery/client/event-recorder.ts';
import { isDeleting, isConditionTrue, setCondition } from '../../../machinery/meta/object.ts';
import { isAlreadyExists } from '../../../machinery/meta/status-error-from.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { Service } from '../../../proto/api/core-v1.ts';
import type { Condition } from '../../../proto/api/meta-v1.ts';
import type { IPAddress, ServiceCIDR } from '../../../proto/api/networking-v1.ts';
import { fillForCreate, timestamp } from '../registry/object-meta.ts';
import type { ResourceStorage } from '../storage/storage.ts';
import type { AddressRange } from './address-range.ts';
import type { NodePortRecord } from './node-port-record.ts';
import { repairAddresses } from './repair-addresses.ts';
import { PortRepair } from './repair-ports.ts';
import type { ServiceAddresses } from './service-addresses.ts';

const INTERVAL_MS = 180_000;
const DEFAULT_CIDR = 'kubernetes';

export interface ServiceRepairOptions {
  readonly services: ResourceStorage<Service>;
  readonly addresses: ResourceStorage<IPAddress>;
  readonly cidrs: ResourceStorage<ServiceCIDR>;
  readonly defaults: readonly AddressRange[];
  readonly taking: ServiceAddresses;
  readonly record: NodePortRecord;
  readonly addressEvents: EventSink;
  readonly portEvents: EventSink;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class ServiceRepair {
  readonly #options: ServiceRepairOptions;
  readonly #ports: PortRepair;

  constructor(options: ServiceRepairOptions) {
    this.#options = options;
    this.#ports = new PortRepair(options.services, options.record, options.portEvents);
  }

  /** One round. The first one must be over before Services are written: it learns what older versions gave out. */
  async repair(): Promise<void> {
    const { services, addresses, taking, addressEvents: events, clock } = this.#options;
    await this.#keepCidrs();
    await repairAddresses({ services, addresses, taking, events, clock });
    await this.#ports.repair();
  }

  /** A round every few minutes until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    for (;;) {
      try {
        await clock.sleep(INTERVAL_MS, signal);
        await this.repair();
      } catch (error) {
        if (signal.aborted) return;
        logger.warn({ err: error }, 'Could not compare services with the addresses and ports that they hold');
      }
    }
  }

  async #keepCidrs(): Promise<void> {
    const { cidrs, defaults, clock } = this.#options;
    const now = timestamp(clock.now());
    if (cidrs.peek('', DEFAULT_CIDR) === undefined) await this.#createDefault();
    const { items } = await cidrs.list();
    for (const { name, object } of items) {
      const shown = object.spec.cidrs ?? [];
      if (name === DEFAULT_CIDR && shown.length === 1 && defaults.length === 2 && shown[0] === defaults[0]?.cidr)
        await this.#addSecond();
      else if (name === DEFAULT_CIDR && defaults.some(range => !shown.includes(range.cidr)))
        this.#options.logger.warn(
          { configured: defaults.map(range => range.cidr), stored: object.spec.cidrs },
          'The ServiceCIDR kubernetes shows other ranges than --service-cidr; delete it to have it made anew',
        );
      if (isDeleting(object) || isConditionTrue(object.status?.conditions, 'Ready')) continue;
      await cidrs.guaranteedUpdate('', name, undefined, current => ({
        ...current,
        status: {
          ...current.status,
          conditions: [...setCondition(current.status?.conditions, readyCondition(name), now)],
        },
      }));
    }
  }

  /** The cluster has got a second family. */
  async #addSecond(): Promise<void> {
    const { cidrs, defaults } = this.#options;
    await cidrs.guaranteedUpdate('', DEFAULT_CIDR, undefined, current => ({
      ...current,
      metadata: { ...current.metadata, generation: (current.metadata.generation ?? 0) + 1 },
      spec: { cidrs: defaults.map(range => range.cidr) },
    }));
  }

  async #createDefault(): Promise<void> {
    const { cidrs, defaults, clock } = this.#options;
    const object: ServiceCIDR = {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'ServiceCIDR',
      metadata: { name: DEFAULT_CIDR },
      spec: { cidrs: defaults.map(range => range.cidr) },
    };
    fillForCreate(object, clock.now(), true);
    try {
      await cidrs.create('', DEFAULT_CIDR, object);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  }
}

function readyCondition(name: string): Condition {
  const own = name === DEFAULT_CIDR;
  return {
    type: 'Ready',
    status: 'True',
    lastTransitionTime: '',
    reason: '',
    message: own ? 'Kubernetes default Service CIDR is ready' : 'Kubernetes Service CIDR is ready',
  };
}
