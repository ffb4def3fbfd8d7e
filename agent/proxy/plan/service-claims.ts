/**
 * Who holds an address with a port, and a node port, when several services ask for the same: the oldest, so that nobody can take another's
 * traffic by asking for his address. The API server sees to most of it; external and load balancer addresses, and objects that came past it, are
 * left to us.
 */
import type { Service } from '../../../proto/api/core-v1.ts';
import { canonicalAddress, isPort } from './address.ts';
import { isProxied, keyOf } from './is-proxied.ts';

interface Claimant {
  readonly service: string;
  readonly createdAt: string;
}

export class ServiceClaims {
  /** Nearly every claim has one claimant; of several the holder is the first. */
  private readonly claimants = new Map<string, Claimant | Claimant[]>();

  /**
   * Puts a service's claims in place of what it claimed before.
   * @param before exactly as it was given last, undefined if it is new
   * @returns services, not itself, that may hold something else now
   */
  replace(before: Service | undefined, now: Service | undefined): string[] {
    const released = claimsOf(before);
    const taken = claimsOf(now);
    const service = keyOf(before ?? now);
    if (service === undefined) return [];
    const isOther = before?.metadata.creationTimestamp !== now?.metadata.creationTimestamp;
    const rivals = new Set<string>();
    for (const claim of released) if (isOther || !taken.has(claim)) this.release(claim, service, rivals);
    for (const claim of taken) if (isOther || !released.has(claim)) this.take(claim, service, now, rivals);
    return [...rivals];
  }

  /** The service that holds a claim instead of `service`; undefined if it is its own. */
  rivalOf(claim: string, service: string): string | undefined {
    const known = this.claimants.get(claim);
    const holder = Array.isArray(known) ? known[0] : known;
    return holder === undefined || holder.service === service ? undefined : holder.service;
  }

  private release(claim: string, service: string, rivals: Set<string>): void {
    const left = listOf(this.claimants.get(claim)).filter(other => other.service !== service);
    for (const other of left) rivals.add(other.service);
    if (left.length === 0) this.claimants.delete(claim);
    else this.claimants.set(claim, left.length === 1 && left[0] !== undefined ? left[0] : left);
  }

  private take(claim: string, service: string, object: Service | undefined, rivals: Set<string>): void {
    const claimant = { service, createdAt: object?.metadata.creationTimestamp ?? '' };
    const others = listOf(this.claimants.get(claim));
    for (const other of others) rivals.add(other.service);
    this.claimants.set(claim, others.length === 0 ? claimant : [...others, claimant].sort(byAge));
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

function claimsOf(service: Service | undefined): ReadonlySet<string> {
  const claims = new Set<string>();
  if (service === undefined || !isProxied(service)) return claims;
  const { spec, status } = service;
  const addresses = [
    ...(spec.clusterIPs ?? [spec.clusterIP ?? '']),
    ...(spec.externalIPs ?? []),
    ...(status?.loadBalancer?.ingress ?? []).map(ingress => ingress.ip ?? ''),
  ].flatMap(address => canonicalAddress(address) ?? []);
  for (const { port, nodePort, protocol = 'TCP' } of spec.ports ?? []) {
    for (const address of addresses) claims.add(addressClaim(address, protocol, port));
    if (isPort(nodePort)) claims.add(nodePortClaim(protocol, nodePort));
  }
  if (isPort(spec.healthCheckNodePort)) claims.add(nodePortClaim('TCP', spec.healthCheckNodePort));
  return claims;
}

function listOf(known: Claimant | Claimant[] | undefined): Claimant[] {
  if (known === undefined) return [];
  return Array.isArray(known) ? known : [known];
}

/** By age; of one age by name, so that all nodes decide alike. */
function byAge(a: Claimant, b: Claimant): number {
  if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt ? -1 : 1;
  return a.service < b.service ? -1 : 1;
}
