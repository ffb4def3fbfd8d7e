/**
 * Who holds an address with a port, and a node port, when several services ask for the same: the oldest, so that nobody can take another's
 * traffic by asking for his address. The API server sees to most of it; external and load balancer addresses, and objects that came past it, are
 * left to us.
 */
import { keyOf } from '../../../machinery/meta/object.ts';
import type { Service } from '../../../proto/api/core-v1.ts';
import type { EndpointSlice } from '../../../proto/api/discovery-v1.ts';
import { canonicalAddress } from '../../../machinery/meta/ip-number.ts';
import { isPort } from './address.ts';
import { isProxied } from './is-proxied.ts';

export class ServiceClaims {
  /** Nearly every claim has one claimant; of several the holder is the first. The objects are the informer's own: they cost nothing here. */
  private readonly claimants = new Map<string, Service | Service[]>();
  private reserved: { holder: string; claims: ReadonlySet<string> } | undefined;

  /**
   * Puts a service's claims in place of what it claimed before.
   * @param before the very object that was given last, undefined if it is new
   * @returns services, not itself, that may hold something else now
   */
  replace(before: Service | undefined, now: Service | undefined): string[] {
    const rivals = new Set<string>();
    if (before !== undefined) for (const claim of claimsOf(before)) this.release(claim, before, rivals);
    if (now !== undefined) for (const claim of claimsOf(now)) this.take(claim, now, rivals);
    return [...rivals];
  }

  /**
   * Puts what one service holds whoever asks for it, and however old he is, in place of what was reserved before.
   * @returns services that may hold something else now
   */
  reserve(holder: string, claims: ReadonlySet<string>): string[] {
    const before = this.reserved?.claims ?? new Set<string>();
    this.reserved = { holder, claims };
    const changed = [...claims, ...before].filter(claim => claims.has(claim) !== before.has(claim));
    return changed.flatMap(claim => this.claimantsOf(claim));
  }

  /** The service that holds a claim instead of `service`; undefined if it is its own. */
  rivalOf(claim: string, service: string): string | undefined {
    const [holder] = this.reserved?.claims.has(claim) === true ? [this.reserved.holder] : this.claimantsOf(claim);
    return holder === service ? undefined : holder;
  }

  private claimantsOf(claim: string): string[] {
    return listOf(this.claimants.get(claim) ?? []).map(keyOf);
  }

  private release(claim: string, service: Service, rivals: Set<string>): void {
    const known = this.claimants.get(claim);
    if (known === undefined) return;
    const key = keyOf(service);
    const left = listOf(known).filter(other => keyOf(other) !== key);
    for (const other of left) rivals.add(keyOf(other));
    if (left.length === 0) this.claimants.delete(claim);
    else this.claimants.set(claim, left.length === 1 && left[0] !== undefined ? left[0] : left);
  }

  private take(claim: string, service: Service, rivals: Set<string>): void {
    const known = this.claimants.get(claim);
    if (known === undefined) return void this.claimants.set(claim, service);
    const others = listOf(known);
    for (const other of others) rivals.add(keyOf(other));
    this.claimants.set(claim, [...others, service].sort(byAge));
  }
}

/** An address with a port. */
export function addressClaim(ip: string, protocol: string, port: number): string {
  return `${ip} ${protocol} ${port}`;
}

/** A port of the node itself. */
export function nodePortClaim(protocol: string, port: number): string {
  return `* ${protocol} ${port}`;
}

/** What the endpoints of slices are themselves. */
export function endpointClaims(slices: readonly EndpointSlice[]): ReadonlySet<string> {
  const claims = new Set<string>();
  for (const { endpoints, ports } of slices)
    for (const { port, protocol = 'TCP' } of ports ?? [])
      for (const { addresses } of endpoints ?? []) {
        const ip = canonicalAddress(addresses[0] ?? '');
        if (ip !== undefined && isPort(port)) claims.add(addressClaim(ip, protocol, port));
      }
  return claims;
}

/** Addresses of load balancers that nodes answer. */
export function ingressOf({ spec, status }: Service): string[] {
  if (spec.type !== 'LoadBalancer') return [];
  // With ipMode Proxy the load balancer wants to see the packet itself.
  return (status?.loadBalancer?.ingress ?? []).flatMap(({ ip, ipMode }) =>
    ip === undefined || ip === '' || ipMode === 'Proxy' ? [] : [ip],
  );
}

function claimsOf(service: Service): ReadonlySet<string> {
  const claims = new Set<string>();
  if (!isProxied(service)) return claims;
  const { spec } = service;
  const addresses = [
    ...(spec.clusterIPs ?? [spec.clusterIP ?? '']),
    ...(spec.externalIPs ?? []),
    ...ingressOf(service),
  ].flatMap(address => canonicalAddress(address) ?? []);
  for (const { port, nodePort, protocol = 'TCP' } of spec.ports ?? []) {
    for (const address of addresses) claims.add(addressClaim(address, protocol, port));
    if (isPort(nodePort)) claims.add(nodePortClaim(protocol, nodePort));
  }
  if (isPort(spec.healthCheckNodePort)) claims.add(nodePortClaim('TCP', spec.healthCheckNodePort));
  return claims;
}

function listOf(known: Service | Service[]): Service[] {
  return Array.isArray(known) ? known : [known];
}

/** By age; of one age by name, so that all nodes decide alike. */
function byAge(a: Service, b: Service): number {
  const [ofA, ofB] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? ''];
  if (ofA !== ofB) return ofA < ofB ? -1 : 1;
  return keyOf(a) < keyOf(b) ? -1 : 1;
}
