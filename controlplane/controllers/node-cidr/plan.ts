/**
 * Gives nodes parts of a cluster range of pod addresses. No I/O.
 *
 * Parts are numbered; each number is held as often as somebody holds an address of it, so that two nodes that were given overlapping parts
 * by hand cost nobody a third one. A freed part comes last again: routes to where it was have time to go.
 * Source: upstream `pkg/controller/nodeipam/ipam/cidrset`.
 */
import { ipText, parseNetwork, type IpFamily, type IpNetwork } from '../../../machinery/meta/ip-number.ts';

const NODE_PREFIX = { IPv4: 24, IPv6: 64 } as const;

/** Numbers of parts, both ends included. */
interface Span {
  readonly first: number;
  readonly last: number;
}

export class NodeRanges {
  readonly family: IpFamily;
  readonly #network: IpNetwork;
  readonly #nodePrefix: number;
  readonly #capacity: number;
  /** By number, how many hold it; absent: none. */
  readonly #held = new Map<number, number>();
  /** Ranges wider than one part: of nodes that got theirs when parts were larger. */
  readonly #wide: Span[] = [];
  #next = 0;

  /**
   * @param cidr `10.42.0.0/16`
   * @param nodePrefix length of the prefix of a node's part
   * @throws Error when the range is malformed or smaller than one part
   */
  constructor(cidr: string, nodePrefix?: number) {
    this.#network = parseNetwork(cidr);
    const { family, prefix, bits } = this.#network;
    this.family = family;
    this.#nodePrefix = nodePrefix ?? NODE_PREFIX[family];
    if (this.#nodePrefix < prefix || this.#nodePrefix > bits)
      throw new Error(`Cluster range ${cidr} cannot be split into node ranges of /${this.#nodePrefix}`);
    this.#capacity = 2 ** Math.min(this.#nodePrefix - prefix, 52);
  }

  /** Takes a part that nobody holds; undefined if there is none. */
  take(): string | undefined {
    // Every number is looked at once at most: as many as are held, and one more.
    for (let looked = 0; looked < this.#capacity; looked++) {
      const index = this.#next;
      const wide = this.#wide.find(span => span.first <= index && index <= span.last);
      this.#next = ((wide?.last ?? index) + 1) % this.#capacity;
      if (wide !== undefined) {
        looked += wide.last - index;
        continue;
      }
      if (this.#held.has(index)) continue;
      this.#held.set(index, 1);
      return this.#partAt(index);
    }
    return undefined;
  }

  /** Notes that somebody holds a range. @returns false if it is not of this cluster range */
  occupy(cidr: string): boolean {
    const span = this.#spanOf(cidr);
    if (span === undefined) return false;
    if (span.first === span.last) this.#held.set(span.first, (this.#held.get(span.first) ?? 0) + 1);
    else this.#wide.push(span);
    return true;
  }

  /** The opposite of `take` and `occupy`: once for each. */
  release(cidr: string): void {
    const span = this.#spanOf(cidr);
    if (span === undefined) return;
    if (span.first !== span.last) {
      const at = this.#wide.findIndex(({ first, last }) => first === span.first && last === span.last);
      if (at >= 0) this.#wide.splice(at, 1);
      return;
    }
    const holders = this.#held.get(span.first) ?? 0;
    if (holders > 1) this.#held.set(span.first, holders - 1);
    else this.#held.delete(span.first);
  }

  #spanOf(cidr: string): Span | undefined {
    let range: IpNetwork;
    try {
      range = parseNetwork(cidr);
    } catch {
      return undefined;
    }
    if (range.family !== this.family) return undefined;
    const shift = BigInt(this.#network.bits - this.#nodePrefix);
    const size = 1n << BigInt(range.bits - range.prefix);
    const first = (range.base - this.#network.base) >> shift;
    const last = (range.base + size - 1n - this.#network.base) >> shift;
    const top = BigInt(this.#capacity) - 1n;
    if (last < 0n || first > top) return undefined;
    return { first: Number(first < 0n ? 0n : first), last: Number(last > top ? top : last) };
  }

  #partAt(index: number): string {
    const { base, bits, family } = this.#network;
    return `${ipText(base + (BigInt(index) << BigInt(bits - this.#nodePrefix)), family)}/${this.#nodePrefix}`;
  }
}
