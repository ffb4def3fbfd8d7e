/**
 * Cluster addresses, each held by an IPAddress object whose creation is what takes it: two servers on one store cannot both
 * succeed. The object names its Service, is made before the Service is written and goes after the Service is gone.
 *
 * Addresses come from the ready ServiceCIDRs; `kubernetes` is that of --service-cidr.
 * Source: kubernetes `pkg/registry/core/service/ipallocator`, KEP-1880.
 */
import { randomUUID } from 'node:crypto';
import { isConditionTrue, isDeleting } from '../../../machinery/meta/object.ts';
import { absent, isAlreadyExists } from '../../../machinery/meta/status-error-from.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { IPAddress, ParentReference, ServiceCIDR } from '../../../proto/api/networking-v1.ts';
import { timestamp } from '../registry/object-meta.ts';
import type { ResourceStorage } from '../storage/storage.ts';
import { AddressRange, canonicalAddress, familyOfAddress, type Family } from './address-range.ts';

export const FAMILY_LABEL = 'ipaddress.kubernetes.io/ip-family';
export const MANAGED_BY_LABEL = 'ipaddress.kubernetes.io/managed-by';
export const MANAGER = 'ipallocator.k8s.io';

/** Why an address was not to be had; the message is upstream's. */
export class AddressError extends Error {
  /** The address asked for; undefined where any would have done. */
  readonly address: string | undefined;
  constructor(message: string, address?: string) {
    super(message);
    this.name = 'AddressError';
    this.address = address;
  }
}

export interface ServiceAddressesOptions {
  readonly addresses: ResourceStorage<IPAddress>;
  readonly cidrs: ResourceStorage<ServiceCIDR>;
  /** Of --service-cidr: served also before the ServiceCIDR `kubernetes` is there. */
  readonly defaults: readonly AddressRange[];
  readonly clock: Clock;
}

export class ServiceAddresses {
  readonly #options: ServiceAddressesOptions;
  /** Ranges by CIDR: they are made once. */
  readonly #ranges = new Map<string, AddressRange>();

  constructor(options: ServiceAddressesOptions) {
    this.#options = options;
    for (const range of options.defaults) this.#ranges.set(range.cidr, range);
  }

  /** The cluster's families, the primary one first. */
  get families(): readonly Family[] {
    return this.#options.defaults.map(range => range.family);
  }

  /** Takes any free address for the Service. @throws AddressError when none is left */
  async takeAny(family: Family, owner: ParentReference): Promise<string> {
    for await (const address of this.#free(family)) {
      try {
        await this.create(address, owner);
        return address;
      } catch (error) {
        // Another request, here or on another server, was faster: on to the next.
        if (!isAlreadyExists(error)) throw error;
      }
    }
    throw new AddressError('range is full');
  }

  /** Takes this very address. @throws AddressError when it is taken or in no range */
  async take(address: string, owner: ParentReference): Promise<void> {
    await this.check(address);
    try {
      await this.create(canonicalAddress(address), owner);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      throw new AddressError('provided IP is already allocated', address);
    }
  }

  /** An address that is free now, without taking it (dry run). */
  async preview(family: Family): Promise<string> {
    for await (const address of this.#free(family)) return address;
    throw new AddressError('range is full');
  }

  /** @throws AddressError when the address is in no range */
  async check(address: string): Promise<void> {
    const ranges = (await this.ranges()).filter(range => range.family === familyOfAddress(address));
    if (ranges.some(range => range.contains(address))) return;
    const valid = ranges.map(range => range.cidr).join(',');
    const why = `the provided IP (${address}) is not in the valid range. The range of valid IPs is ${valid}`;
    throw new AddressError(why, address);
  }

  /** Gives an address back. One that nobody holds is no error. */
  async release(address: string): Promise<void> {
    await this.#options.addresses.delete('', canonicalAddress(address)).catch(absent);
  }

  /** @throws StatusError AlreadyExists */
  async create(address: string, owner: ParentReference): Promise<void> {
    const object: IPAddress = {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'IPAddress',
      metadata: {
        name: address,
        uid: randomUUID(),
        creationTimestamp: timestamp(this.#options.clock.now()),
        labels: { [FAMILY_LABEL]: familyOfAddress(address), [MANAGED_BY_LABEL]: MANAGER },
      },
      spec: { parentRef: owner },
    };
    await this.#options.addresses.create('', address, object);
  }

  /** All ranges that addresses may come from now. */
  async ranges(): Promise<AddressRange[]> {
    const ranges = [...this.#options.defaults];
    const { items } = await this.#options.cidrs.list({ resourceVersion: '0' });
    for (const { object } of items) {
      if (isDeleting(object) || !isConditionTrue(object.status?.conditions, 'Ready')) continue;
      for (const cidr of object.spec.cidrs ?? []) {
        const range = this.#ranges.get(cidr) ?? new AddressRange(cidr);
        this.#ranges.set(cidr, range);
        if (!ranges.includes(range)) ranges.push(range);
      }
    }
    return ranges;
  }

  async *#free(family: Family): AsyncGenerator<string> {
    for (const range of await this.ranges()) {
      if (range.family !== family) continue;
      for (const address of range.candidates()) {
        if (this.#options.addresses.peek('', address) === undefined) yield address;
      }
    }
  }
}

/** How an IPAddress names its Service. */
export function serviceReference(namespace: string, name: string): ParentReference {
  return { resource: 'services', namespace, name };
}
