/**
 * Compares Services with the IPAddress objects that hold their cluster addresses, and makes them agree: an address in use that
 * nobody holds is held again, one that is held for nobody is freed (after a minute: its Service may just be being written),
 * and what a person must decide is told in an event.
 * Source: kubernetes `pkg/registry/core/service/ipallocator/controller/repairip.go`, 1.36.
 */
import type { EventSubject } from '../../../machinery/client/event-correlator.ts';
import type { EventSink } from '../../../machinery/client/event-recorder.ts';
import { isAlreadyExists, isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { ipAddress } from '../../../machinery/meta/value-shapes.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Service } from '../../../proto/api/core-v1.ts';
import type { IPAddress, ParentReference } from '../../../proto/api/networking-v1.ts';
import type { ResourceStorage } from '../storage/storage.ts';
import { familyOfAddress } from './address-range.ts';
import {
  FAMILY_LABEL,
  MANAGED_BY_LABEL,
  MANAGER,
  serviceReference,
  type ServiceAddresses,
} from './service-addresses.ts';
import { addressesOf } from './service-hooks.ts';

/** Longer than a request may take from taking an address to writing its Service. */
const GRACE_MS = 60_000;

export interface RepairAddressesOptions {
  readonly services: ResourceStorage<Service>;
  readonly addresses: ResourceStorage<IPAddress>;
  readonly taking: ServiceAddresses;
  readonly events: EventSink;
  readonly clock: Clock;
}

/** One round over everything. */
export async function repairAddresses(options: RepairAddressesOptions): Promise<void> {
  // Whoever lists first fills the memory that peek() looks into.
  await options.addresses.list();
  const { items: services } = await options.services.list();
  const ranges = await options.taking.ranges();
  for (const { object } of services) {
    for (const address of addressesOf(object.spec)) {
      if (ipAddress(address).length > 0) {
        const message = `Cluster IP ${address} is not a valid IP; please recreate Service`;
        options.events.event(subjectOf(object), 'Warning', 'ClusterIPNotValid', message);
      } else if (!ranges.some(range => range.contains(address))) {
        const message = `Cluster IP [${familyOfAddress(address)}]: ${address} is not within any configured Service CIDR; please recreate service`;
        options.events.event(subjectOf(object), 'Warning', 'ClusterIPOutOfRange', message);
      } else await repairHold(options, object, address);
    }
  }
  const { items: addresses } = await options.addresses.list();
  for (const { object } of addresses) await freeIfLeaked(options, object);
}

async function repairHold(options: RepairAddressesOptions, service: Service, address: string): Promise<void> {
  const { namespace = '', name = '' } = service.metadata;
  const tell = (reason: string, message: string): void =>
    options.events.event(subjectOf(service), 'Warning', reason, message);
  const where = `[${familyOfAddress(address)}]: ${address}`;
  const held = options.addresses.peek('', address)?.object;
  if (held === undefined) {
    // What the list showed may be gone by now, with its address.
    if (!(await stillUses(options, service, address))) return;
    tell('ClusterIPNotAllocated', `Cluster IP ${where} is not allocated; repairing`);
    await hold(options, address, service);
    return;
  }
  const { parentRef } = held.spec;
  if (!isService(parentRef) || (!refersTo(parentRef, namespace, name) && !(await usedByOther(options, held)))) {
    if (!(await stillUses(options, service, address))) return;
    const what = `the ClusterIP ${where} for Service ${namespace}/${name} has a wrong reference; repairing`;
    tell('ClusterIPNotAllocated', what);
    await options.taking.release(address);
    await hold(options, address, service);
  } else if (!refersTo(parentRef, namespace, name)) {
    const what = `Cluster IP [${familyOfAddress(address)}]:${address} was assigned to multiple services; please recreate service`;
    tell('ClusterIPAlreadyAllocated', what);
  } else if (
    held.metadata.labels?.[MANAGED_BY_LABEL] !== MANAGER ||
    held.metadata.labels[FAMILY_LABEL] !== familyOfAddress(address)
  ) {
    await options.taking.release(address);
    await hold(options, address, service);
  }
}

async function freeIfLeaked(options: RepairAddressesOptions, held: IPAddress): Promise<void> {
  const { name: address = '', labels, creationTimestamp = '', uid } = held.metadata;
  // Addresses that others keep, for their own ends, are not ours to free.
  if (labels?.[MANAGED_BY_LABEL] !== MANAGER) return;
  const { parentRef } = held.spec;
  const subject = { apiVersion: 'networking.k8s.io/v1', kind: 'IPAddress', name: address, uid };
  if (!isService(parentRef)) {
    const message = `IPAddress ${address} appears to have been modified, not referencing a Service ${JSON.stringify(parentRef)}: cleaning up`;
    options.events.event(subject, 'Warning', 'IPAddressNotAllocated', message);
    await options.taking.release(address);
    return;
  }
  const owner = `${parentRef.namespace ?? ''}/${parentRef.name ?? ''}`;
  const service = await current(options, parentRef.namespace ?? '', parentRef.name ?? '');
  if (service !== undefined && addressesOf(service.spec).includes(address)) return;
  if (options.clock.now() - Date.parse(creationTimestamp) < GRACE_MS) return;
  const message =
    service === undefined
      ? `IPAddress: ${address} for Service ${owner} appears to have leaked: cleaning up`
      : `IPAddress: ${address} for Service ${owner} has a wrong reference; cleaning up`;
  options.events.event(
    subject,
    'Warning',
    service === undefined ? 'IPAddressNotAllocated' : 'IPAddressWrongReference',
    message,
  );
  await options.taking.release(address);
}

async function hold(options: RepairAddressesOptions, address: string, service: Service): Promise<void> {
  const { namespace = '', name = '' } = service.metadata;
  try {
    await options.taking.create(address, serviceReference(namespace, name));
  } catch (error) {
    // Another server repairs at the same time.
    if (!isAlreadyExists(error)) throw error;
  }
}

async function stillUses(options: RepairAddressesOptions, service: Service, address: string): Promise<boolean> {
  const now = await current(options, service.metadata.namespace ?? '', service.metadata.name ?? '');
  return now?.metadata.uid === service.metadata.uid && addressesOf(now?.spec).includes(address);
}

async function usedByOther(options: RepairAddressesOptions, held: IPAddress): Promise<boolean> {
  const { namespace = '', name = '' } = held.spec.parentRef ?? {};
  return addressesOf((await current(options, namespace, name))?.spec).includes(held.metadata.name ?? '');
}

async function current(options: RepairAddressesOptions, namespace: string, name: string): Promise<Service | undefined> {
  try {
    return (await options.services.get(namespace, name)).object;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

function isService(ref: ParentReference | undefined): ref is ParentReference {
  return (ref?.group ?? '') === '' && ref?.resource === 'services';
}

function refersTo(ref: ParentReference, namespace: string, name: string): boolean {
  return ref.namespace === namespace && ref.name === name;
}

/** What an event about a Service is about. */
export function subjectOf({ metadata }: Service): EventSubject {
  const { namespace, name, uid, resourceVersion } = metadata;
  return { apiVersion: 'v1', kind: 'Service', namespace, name, uid, resourceVersion };
}
