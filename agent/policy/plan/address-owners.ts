/**
 * Which pod an address belongs to. An address is given to the next pod before everybody has heard that the last one is gone, so two may name
 * it: it belongs to the one that was last seen to get it, and never goes back.
 */
export class AddressOwners {
  private readonly owners = new Map<string, string>();
  private readonly held = new Map<string, readonly string[]>();

  ownerOf(address: string): string | undefined {
    return this.owners.get(address);
  }

  /** The addresses that really are the pod's. */
  addressesOf(pod: string): readonly string[] {
    return (this.held.get(pod) ?? []).filter(address => this.owners.get(address) === pod);
  }

  /**
   * A pod has these addresses now; none if it is gone.
   * @returns those for which the owner, or what it is, may be another now
   */
  put(pod: string, addresses: readonly string[]): ReadonlySet<string> {
    const before = this.held.get(pod) ?? [];
    for (const address of before) {
      if (!addresses.includes(address) && this.owners.get(address) === pod) this.owners.delete(address);
    }
    for (const address of addresses) if (!before.includes(address)) this.owners.set(address, pod);
    if (addresses.length === 0) this.held.delete(pod);
    else this.held.set(pod, addresses);
    return new Set([...before, ...addresses]);
  }
}
