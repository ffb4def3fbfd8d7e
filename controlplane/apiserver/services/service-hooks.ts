/**
 * Gives Services their cluster addresses and node ports: taken durably before the Service is written, given back when the write
 * fails or the Service goes. Whatever a crash leaves behind is found by the repair.
 * Source: kubernetes `pkg/registry/core/service/storage/{alloc,storage}.go`, 1.36.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import { invalidError } from '../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../machinery/meta/field-path.ts';
import { internalError, invalid, StatusError } from '../../../machinery/meta/status-error.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { ParentReference } from '../../../proto/api/networking-v1.ts';
import type { Service, ServiceSpec } from '../../../proto/api/core-v1.ts';
import type { RegistryHooks, Reservation } from '../registry/served-resource.ts';
import type { RequestContext } from '../registry/strategy.ts';
import { canonicalAddress, type Family } from './address-range.ts';
import { settleFamilies } from './ip-families.ts';
import { PortError, type NodePortRecord } from './node-port-record.ts';
import { AddressError, serviceReference, type ServiceAddresses } from './service-addresses.ts';
import { furtherWishes, nodePortsOf, wishesOf, type PortWish } from './service-ports.ts';

const SPEC = FieldPath.of('spec');
const KIND = { group: '', kind: 'Service' };

/** What a write has taken, and what it lets go. */
interface Holdings {
  readonly addresses: string[];
  readonly ports: number[];
}

export class ServiceHooks implements RegistryHooks {
  readonly #addresses: ServiceAddresses;
  readonly #ports: NodePortRecord;
  readonly #logger: Logger;

  constructor(addresses: ServiceAddresses, ports: NodePortRecord, logger: Logger) {
    this.#addresses = addresses;
    this.#ports = ports;
    this.#logger = logger;
  }

  settle(object: AnyObject, older: AnyObject | undefined): void {
    const { spec, metadata } = object as Service;
    const errors = settleFamilies(spec, (older as Service | undefined)?.spec, this.#addresses.families);
    if (errors.length > 0) throw invalid(KIND, metadata.name ?? '', errors);
  }

  async beforeCreate(object: AnyObject, context: RequestContext): Promise<Reservation | undefined> {
    const service = object as Service;
    return this.#reserve(service, wishesOf(service.spec), { addresses: [], ports: [] }, context.dryRun);
  }

  async beforeUpdate(object: AnyObject, older: AnyObject, context: RequestContext): Promise<Reservation | undefined> {
    const service = object as Service;
    const was = (older as Service).spec;
    const wishes = furtherWishes(service.spec, was);
    const held: Holdings = { addresses: addressesOf(was), ports: nodePortsOf(was) };
    return this.#reserve(service, wishes, held, context.dryRun);
  }

  async afterDelete(object: AnyObject): Promise<void> {
    const { spec } = object as Service;
    await this.#letGo({ addresses: addressesOf(spec), ports: nodePortsOf(spec) });
  }

  async #reserve(
    service: Service,
    wishes: readonly PortWish[],
    held: Holdings,
    dryRun: boolean,
  ): Promise<Reservation | undefined> {
    const taken: Holdings = { addresses: [], ports: [] };
    const outcomes = await Promise.allSettled([
      this.#takeAddresses(service, held.addresses, taken.addresses, dryRun),
      this.#takePorts(service, wishes, taken.ports, dryRun),
    ]);
    const failed = outcomes.find(outcome => outcome.status === 'rejected');
    if (failed !== undefined) {
      await this.#letGo(taken);
      throw failed.reason;
    }
    const given = { addresses: addressesOf(service.spec), ports: nodePortsOf(service.spec) };
    const freed = dryRun
      ? { addresses: [], ports: [] }
      : {
          addresses: held.addresses.filter(address => !given.addresses.includes(address)),
          ports: held.ports.filter(port => !given.ports.includes(port)),
        };
    if ([...taken.addresses, ...taken.ports, ...freed.addresses, ...freed.ports].length === 0) return undefined;
    return {
      commit: () => this.#letGo(freed),
      rollback: async cause => {
        // The write may have come through all the same; the repair tells later whether anybody holds what it took.
        if (cause instanceof StatusError && cause.code >= 500) return;
        await this.#letGo(taken);
      },
    };
  }

  async #takeAddresses(service: Service, held: readonly string[], taken: string[], dryRun: boolean): Promise<void> {
    const { spec, metadata } = service;
    if (spec.type === 'ExternalName' || spec.clusterIPs?.[0] === 'None') return;
    const owner = serviceReference(metadata.namespace ?? '', metadata.name ?? '');
    const wanted = spec.ipFamilies ?? [];
    const asked = spec.clusterIPs ?? [];
    const isHeld = (address: string): boolean => held.includes(canonicalAddress(address));
    if (asked.length >= wanted.length && asked.every(isHeld)) return;
    const addresses = await Promise.all(
      wanted.map(async (family, i) => {
        const address = asked[i] ?? '';
        if (isHeld(address)) return address;
        const got = await this.#takeAddress(service, family as Family, address, owner, dryRun);
        if (!dryRun) taken.push(got);
        return got;
      }),
    );
    spec.clusterIPs = addresses;
    spec.clusterIP = addresses[0];
  }

  async #takeAddress(
    service: Service,
    family: Family,
    asked: string,
    owner: ParentReference,
    dryRun: boolean,
  ): Promise<string> {
    try {
      if (asked === '') {
        return dryRun ? await this.#addresses.preview(family) : await this.#addresses.takeAny(family, owner);
      }
      if (dryRun) await this.#addresses.check(asked);
      else await this.#addresses.take(asked, owner);
      return asked;
    } catch (error) {
      if (!(error instanceof AddressError)) throw error;
      if (asked === '') throw internalError(new Error(`failed to allocate a serviceIP: ${error.message}`));
      const why = `failed to allocate IP ${asked}: ${error.message}`;
      throw invalid(KIND, service.metadata.name ?? '', [
        invalidError(SPEC.child('clusterIPs'), service.spec.clusterIPs, why),
      ]);
    }
  }

  async #takePorts(service: Service, wishes: readonly PortWish[], taken: number[], dryRun: boolean): Promise<void> {
    if (wishes.length === 0) return;
    const asked = wishes.map(wish => wish.asked);
    try {
      const ports = dryRun ? await this.#ports.preview(asked) : await this.#ports.take(asked);
      if (!dryRun) taken.push(...ports);
      wishes.forEach((wish, i) => wish.set(ports[i] ?? 0));
    } catch (error) {
      throw error instanceof PortError ? portRefusal(service, wishes, error) : error;
    }
  }

  /** The request has its outcome already: what cannot be given back now is given back by the repair. */
  async #letGo({ addresses, ports }: Holdings): Promise<void> {
    const releases = [...addresses.map(address => this.#addresses.release(address)), this.#ports.release(ports)];
    for (const outcome of await Promise.allSettled(releases)) {
      if (outcome.status === 'rejected')
        this.#logger.warn({ err: outcome.reason as Error, addresses, ports }, 'Could not release what a service held');
    }
  }
}

function portRefusal(service: Service, wishes: readonly PortWish[], error: PortError): StatusError {
  const { port, message } = error;
  if (port === undefined) return internalError(new Error(`failed to allocate a nodePort: ${message}`));
  const place = wishes.find(wish => wish.asked === port)?.place ?? 0;
  if (place === 'health')
    return internalError(new Error(`failed to allocate requested HealthCheck NodePort ${port}: ${message}`));
  const at = SPEC.child('ports').index(place).child('nodePort');
  return invalid(KIND, service.metadata.name ?? '', [invalidError(at, port, message)]);
}

/** The addresses that a Service holds, as their IPAddress objects are named. */
export function addressesOf(spec: ServiceSpec | undefined): string[] {
  const all = spec?.clusterIPs ?? (spec?.clusterIP ? [spec.clusterIP] : []);
  return all.filter(address => address !== '' && address !== 'None').map(canonicalAddress);
}
