/**
 * Gives Services their cluster addresses and node ports, and takes them back: reserved before the write, given back when it fails or the
 * service goes.
 * Source: kubernetes `pkg/registry/core/service/storage/alloc.go`.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import { invalidError, internalFieldError, type FieldError } from '../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../machinery/meta/field-path.ts';
import { invalid } from '../../../machinery/meta/status-error.ts';
import type { Service, ServicePort, ServiceSpec } from '../../../proto/api/core-v1.ts';
import type { RegistryHooks, Reservation } from '../registry/served-resource.ts';
import type { AddressRange } from './address-range.ts';
import type { PortRange } from './port-range.ts';

const SPEC = FieldPath.of('spec');

/** What one write took, so that it can be undone, and what it lets go once it is done. */
class Taking implements Reservation {
  readonly #undo: (() => void)[] = [];
  readonly #done: (() => void)[] = [];

  taken(undo: () => void): void {
    this.#undo.push(undo);
  }

  releaseAfter(done: () => void): void {
    this.#done.push(done);
  }

  commit(): void {
    for (const done of this.#done.splice(0)) done();
    this.#undo.length = 0;
  }

  rollback(): void {
    for (const undo of this.#undo.splice(0)) undo();
    this.#done.length = 0;
  }
}

export class ServiceHooks implements RegistryHooks {
  /** The primary family first. */
  readonly #ranges: readonly AddressRange[];
  readonly #ports: PortRange;

  constructor(ranges: readonly AddressRange[], ports: PortRange) {
    this.#ranges = ranges;
    this.#ports = ports;
  }

  /** Marks what existing services hold: at start, before the first write. */
  repair(services: Iterable<Service>): void {
    for (const { spec } of services) {
      for (const address of addressesOf(spec)) this.#range(address)?.reserve(address);
      for (const port of nodePortsOf(spec)) this.#ports.reserve(port);
    }
  }

  beforeCreate(object: AnyObject): Reservation {
    return this.#settle(object as Service, undefined);
  }

  beforeUpdate(object: AnyObject, older: AnyObject): Reservation {
    return this.#settle(object as Service, older as Service);
  }

  afterDelete(object: AnyObject): void {
    const { spec } = object as Service;
    for (const address of addressesOf(spec)) this.#range(address)?.release(address);
    for (const port of nodePortsOf(spec)) this.#ports.release(port);
  }

  #settle(service: Service, older: Service | undefined): Reservation {
    const taking = new Taking();
    const spec = (service.spec ??= {} as ServiceSpec);
    try {
      const errors = [...this.#addresses(spec, older?.spec, taking), ...this.#nodePorts(spec, older?.spec, taking)];
      if (errors.length > 0) throw invalid({ group: '', kind: 'Service' }, service.metadata.name ?? '', errors);
    } catch (error) {
      taking.rollback();
      throw error;
    }
    return taking;
  }

  #addresses(spec: ServiceSpec, older: ServiceSpec | undefined, taking: Taking): FieldError[] {
    const held = new Set(addressesOf(older));
    if (spec.type === 'ExternalName') {
      for (const address of held) taking.releaseAfter(() => this.#range(address)?.release(address));
      for (const field of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy'] as const) delete spec[field];
      return [];
    }
    if (older !== undefined && older.type !== 'ExternalName' && !spec.clusterIP) {
      spec.clusterIP = older.clusterIP;
      spec.clusterIPs = older.clusterIPs;
    }
    const errors = this.#families(spec);
    if (errors.length > 0) return errors;
    if (spec.clusterIP === 'None') {
      spec.clusterIPs = ['None'];
      return [];
    }
    return this.#take(spec, held, taking);
  }

  #families(spec: ServiceSpec): FieldError[] {
    const given = spec.clusterIPs ?? (spec.clusterIP && spec.clusterIP !== 'None' ? [spec.clusterIP] : []);
    const wantsDual = spec.ipFamilyPolicy === 'PreferDualStack' || spec.ipFamilyPolicy === 'RequireDualStack';
    const available = this.#ranges.map(range => range.family);
    if (spec.ipFamilyPolicy === 'RequireDualStack' && available.length < 2) {
      return [
        invalidError(
          SPEC.child('ipFamilyPolicy'),
          spec.ipFamilyPolicy,
          'this cluster is not configured for dual-stack services',
        ),
      ];
    }
    const unknown = (spec.ipFamilies ?? []).find(family => !available.includes(family as 'IPv4' | 'IPv6'));
    if (unknown !== undefined) {
      return [invalidError(SPEC.child('ipFamilies').index(0), unknown, `not configured on this cluster`)];
    }
    if ((spec.ipFamilies ?? []).length === 0) {
      const fromAddresses = given.filter(a => a !== 'None').map(a => (a.includes(':') ? 'IPv6' : 'IPv4'));
      spec.ipFamilies = fromAddresses.length > 0 ? fromAddresses : [available[0] ?? 'IPv4'];
    }
    const second = available.find(family => !spec.ipFamilies?.includes(family));
    if (wantsDual && spec.ipFamilies?.length === 1 && second !== undefined)
      spec.ipFamilies = [...spec.ipFamilies, second];
    spec.ipFamilyPolicy ??= spec.ipFamilies?.length === 2 ? 'RequireDualStack' : 'SingleStack';
    return [];
  }

  #take(spec: ServiceSpec, held: ReadonlySet<string>, taking: Taking): FieldError[] {
    const addresses: string[] = [];
    const wanted = spec.clusterIPs ?? (spec.clusterIP ? [spec.clusterIP] : []);
    for (const [i, family] of (spec.ipFamilies ?? []).entries()) {
      const asked = wanted[i];
      const at = SPEC.child('clusterIPs').index(i);
      const range = this.#ranges.find(r => r.family === family);
      if (range === undefined) continue;
      if (asked !== undefined && asked !== '') {
        if (!held.has(asked)) {
          const outcome = range.reserve(asked);
          const shown = [...wanted];
          if (outcome === 'taken')
            return [
              invalidError(
                SPEC.child('clusterIPs'),
                shown,
                `failed to allocate IP ${asked}: provided IP is already allocated`,
              ),
            ];
          if (outcome === 'outside') {
            const why = `failed to allocate IP ${asked}: the provided IP (${asked}) is not in the valid range. The range of valid IPs is ${range.cidr}`;
            return [invalidError(SPEC.child('clusterIPs'), shown, why)];
          }
          taking.taken(() => range.release(asked));
        }
        addresses.push(asked);
        continue;
      }
      const address = range.allocate();
      if (address === undefined)
        return [internalFieldError(at, new Error(`failed to allocate a serviceIP: range ${range.cidr} is full`))];
      taking.taken(() => range.release(address));
      addresses.push(address);
    }
    for (const address of held)
      if (!addresses.includes(address)) taking.releaseAfter(() => this.#range(address)?.release(address));
    spec.clusterIPs = addresses;
    spec.clusterIP = addresses[0];
    return [];
  }

  #nodePorts(spec: ServiceSpec, older: ServiceSpec | undefined, taking: Taking): FieldError[] {
    const held = new Set(nodePortsOf(older));
    const mine = new Set<number>();
    const errors: FieldError[] = [];
    if (needsNodePorts(spec)) {
      for (const [i, port] of (spec.ports ?? []).entries()) {
        const kept = port.nodePort ? undefined : samePort(port, older)?.nodePort;
        if (kept) port.nodePort = kept;
        errors.push(...this.#takePort(port, i, held, mine, taking));
      }
      if (spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local')
        this.#healthPort(spec, older, held, mine, taking);
    } else {
      // A type that has no node ports keeps none that it had before.
      for (const port of spec.ports ?? [])
        if (port.nodePort !== undefined && (port.nodePort === 0 || held.has(port.nodePort))) delete port.nodePort;
    }
    for (const port of held) if (!mine.has(port)) taking.releaseAfter(() => this.#ports.release(port));
    return errors;
  }

  #takePort(
    port: ServicePort,
    index: number,
    held: ReadonlySet<number>,
    mine: Set<number>,
    taking: Taking,
  ): FieldError[] {
    const at = SPEC.child('ports').index(index).child('nodePort');
    const asked = port.nodePort ?? 0;
    if (asked !== 0) {
      if (!mine.has(asked) && !held.has(asked)) {
        const outcome = this.#ports.reserve(asked);
        if (outcome === 'taken') return [invalidError(at, asked, 'provided port is already allocated')];
        if (outcome === 'outside') {
          return [
            invalidError(
              at,
              asked,
              `provided port is not in the valid range. The range of valid ports is ${this.#ports.first}-${this.#ports.last}`,
            ),
          ];
        }
        taking.taken(() => this.#ports.release(asked));
      }
      mine.add(asked);
      return [];
    }
    const free = this.#ports.allocate();
    if (free === undefined) return [internalFieldError(at, new Error('failed to allocate a nodePort: range is full'))];
    taking.taken(() => this.#ports.release(free));
    port.nodePort = free;
    mine.add(free);
    return [];
  }

  #healthPort(
    spec: ServiceSpec,
    older: ServiceSpec | undefined,
    held: ReadonlySet<number>,
    mine: Set<number>,
    taking: Taking,
  ): void {
    const kept = spec.healthCheckNodePort || older?.healthCheckNodePort;
    if (kept) {
      if (!held.has(kept) && this.#ports.reserve(kept) === 'ok') taking.taken(() => this.#ports.release(kept));
      spec.healthCheckNodePort = kept;
    } else {
      const free = this.#ports.allocate();
      if (free === undefined) return;
      taking.taken(() => this.#ports.release(free));
      spec.healthCheckNodePort = free;
    }
    mine.add(spec.healthCheckNodePort);
  }

  #range(address: string): AddressRange | undefined {
    return this.#ranges.find(range => range.contains(address));
  }
}

function needsNodePorts(spec: ServiceSpec): boolean {
  return spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false);
}

function samePort(port: ServicePort, older: ServiceSpec | undefined): ServicePort | undefined {
  return older?.ports?.find(p => p.port === port.port && (p.protocol ?? 'TCP') === (port.protocol ?? 'TCP'));
}

function addressesOf(spec: ServiceSpec | undefined): string[] {
  const all = spec?.clusterIPs ?? (spec?.clusterIP ? [spec.clusterIP] : []);
  return all.filter(address => address !== '' && address !== 'None');
}

function nodePortsOf(spec: ServiceSpec | undefined): number[] {
  const ports = (spec?.ports ?? []).map(port => port.nodePort ?? 0);
  if (spec?.healthCheckNodePort) ports.push(spec.healthCheckNodePort);
  return [...new Set(ports.filter(port => port > 0))];
}
