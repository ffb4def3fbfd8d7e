/**
 * The addresses of one service network: which belong to it, and in which order they are tried. Pure arithmetic; who holds
 * an address is said by its IPAddress object.
 *
 * Addresses without wish come from the upper band first, so that those that people pick by hand (low ones) stay free.
 * Source: kubernetes `pkg/registry/core/service/ipallocator`, KEP-3070.
 */
import { randomInt } from 'node:crypto';
import ipaddr from 'ipaddr.js';
import { ipNumber, ipText, parseNetwork, type IpFamily } from '../../../machinery/meta/ip-number.ts';

/** Larger networks (IPv6) are used up to so many addresses. */
const MAX_ADDRESSES = 2 ** 40;
const MIN_BAND = 16;
const MAX_BAND = 256;

export type Family = IpFamily;

export class AddressRange {
  readonly cidr: string;
  readonly family: Family;
  readonly #base: bigint;
  /** Usable addresses: without the network's own and, for IPv4, the broadcast address. */
  readonly #size: number;
  /** How many of the lowest are for people to pick. */
  readonly #band: number;

  /** @throws Error when `cidr` is no network */
  constructor(cidr: string) {
    const { family, base, prefix, bits } = parseNetwork(cidr);
    this.cidr = cidr;
    this.family = family;
    this.#base = base;
    const all = Math.min(MAX_ADDRESSES, 2 ** (bits - prefix));
    this.#size = Math.max(0, all - (this.family === 'IPv4' ? 2 : 1));
    this.#band = all < MIN_BAND ? 0 : Math.min(Math.max(MIN_BAND, Math.floor(all / 16)), MAX_BAND, this.#size);
  }

  /** The first usable address: that of `default/kubernetes`. */
  get first(): string {
    return this.#address(0);
  }

  contains(address: string): boolean {
    if (!ipaddr.isValid(address) || familyOfAddress(address) !== this.family) return false;
    const offset = ipNumber(address) - this.#base - 1n;
    return offset >= 0n && offset < BigInt(this.#size);
  }

  /** Every address once: the upper band from a random start, then the lower one. */
  *candidates(): Generator<string> {
    yield* this.#from(this.#band, this.#size);
    yield* this.#from(0, this.#band);
  }

  *#from(low: number, high: number): Generator<string> {
    const count = high - low;
    if (count <= 0) return;
    const start = randomInt(count);
    for (let i = 0; i < count; i++) yield this.#address(low + ((start + i) % count));
  }

  #address(offset: number): string {
    return ipText(this.#base + 1n + BigInt(offset), this.family);
  }
}

/** The one form that names of IPAddress objects have: lower case, the longest run of zeros cut. */
export function canonicalAddress(address: string): string {
  return ipaddr.isValid(address) ? ipText(ipNumber(address), familyOfAddress(address)) : address;
}

/** The family that an address is written in. */
export function familyOfAddress(address: string): Family {
  return address.includes(':') ? 'IPv6' : 'IPv4';
}
