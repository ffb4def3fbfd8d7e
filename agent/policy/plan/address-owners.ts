/**
 * Which pod an address belongs to. An address is given to the next pod before everybody has heard that the last one is gone, so two may name
 * it: it belongs to the one that was last seen to get it, and to the one before only once that one names it no more.
 */
export class AddressOwners {
  /** Who names an address, in the order in which they were seen to get it. */
  private readonly holders = new Map<string, readonly string[]>();
  private readonly held = new Map<string, readonly string[]>();

  ownerOf(address: string): string | undefined {
    return this.holders.get(address)?.at(-1);
  }

  /** The addresses that really are the pod's. */
  addressesOf(pod: string): readonly string[] {
    const held = this.held.get(pod) ?? [];
    return held.every(address => this.ownerOf(address) === pod)
      ? held
      : held.filter(address => this.ownerOf(address) === pod);
  }

  /**
   * A pod has these addresses now; none if it is gone.
   * @returns those for which the owner, or what it is, may be another now
   */
  put(pod: string, addresses: readonly string[]): ReadonlySet<string> {
    const before = this.held.get(pod) ?? [];
    for (const address of before) {
      if (addresses.includes(address)) continue;
      const others = (this.holders.get(address) ?? []).filter(holder => holder !== pod);
      if (others.length === 0) this.holders.delete(address);
      else this.holders.set(address, others);
    }
    for (const address of addresses) {
      if (!before.includes(address)) this.holders.set(address, [...(this.holders.get(address) ?? []), pod]);
    }
    if (addresses.length === 0) this.held.delete(pod);
    else this.held.set(pod, addresses);
    return new Set([...before, ...addresses]);
  }
}
