/** What the kernel has of each service, as far as we know. */
import { endpointMap } from './nftables-names.ts';
import { elementsOf, packNftService, unpackNftService } from './nftables-service.ts';
import type { NftPort } from './nftables-service.ts';

export class NftLedger {
  private readonly services = new Map<string, string>();
  /** How many services have an endpoint of this address here. */
  private readonly hairpins = new Map<string, number>();
  private readonly stale = new Set<string>();
  /** For each map a service that has elements in it. */
  private readonly samples = new Map<string, string>();

  /** Empty if it has nothing of it. */
  get(service: string): readonly NftPort[] {
    return unpackNftService(this.services.get(service));
  }

  /** All services, unpacked one by one. */
  *entries(): Generator<readonly [service: string, ports: readonly NftPort[]]> {
    for (const [service, packed] of this.services) yield [service, unpackNftService(packed)];
  }

  /** @param ports none if it is gone */
  set(service: string, ports: readonly NftPort[]): void {
    const before = hairpinsOf(this.get(service));
    const now = hairpinsOf(ports);
    if (ports.length === 0) this.services.delete(service);
    else this.services.set(service, packNftService(ports));
    for (const port of ports) {
      for (const { map, endpointKey } of port.targets) {
        this.samples.set(map, service);
        if (endpointKey !== undefined) this.samples.set(endpointMap(map, port.transport), service);
      }
    }
    for (const address of now) if (!before.has(address)) this.count(address, 1);
    for (const address of before) if (!now.has(address)) this.count(address, -1);
  }

  /** Addresses that no endpoint here has any more; they are told once. */
  takeStaleHairpins(): string[] {
    const stale = [...this.stale];
    this.stale.clear();
    return stale;
  }

  /** An element of each map that has one: if it is there, nobody emptied the map. */
  sampleElements(): { readonly set: string; readonly key: string }[] {
    return [...this.samples].flatMap(([set, service]) => {
      for (const port of this.get(service)) {
        for (const [name, key] of elementsOf(port)) if (name === set) return [{ set, key }];
      }
      return [];
    });
  }

  private count(address: string, change: 1 | -1): void {
    const count = (this.hairpins.get(address) ?? 0) + change;
    if (count > 0) {
      this.hairpins.set(address, count);
      this.stale.delete(address);
    } else {
      this.hairpins.delete(address);
      this.stale.add(address);
    }
  }
}

function hairpinsOf(ports: readonly NftPort[]): ReadonlySet<string> {
  return new Set(ports.flatMap(port => port.hairpin));
}
