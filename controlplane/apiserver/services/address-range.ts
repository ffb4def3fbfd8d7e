/**
 * The addresses of one service network: which belong to it, and in which order they are tried. Pure arithmetic; who holds
 * an address is said by its IPAddress object.
 *
 * Addresses without wish come from the upper band first, so that those that people pick by hand (low ones) stay free.
 * Source: kubernetes `pkg/registry/core/service/ipallocator`, KEP-3070.
 */
import { randomInt } from 'node:crypto';
import ipaddr from 'ipaddr.js';

/** Larger networks (IPv6) are used up to so many addresses. */
const MAX_ADDRESSES = 2 ** 40;
const MIN_BAND = 16;
const MAX_BAND = 256;

export type Family = 'IPv4' | 'IPv6';

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
    const [address, bits] = ipaddr.parseCIDR(cidr);
    this.cidr = cidr;
    this.family = address.kind() === 'ipv4' ? 'IPv4' : 'IPv6';
    const hostBits = (this.family === 'IPv4' ? 32 : 128) - bits;
    this.#base = (toNumber(address.toByteArray()) >> BigInt(hostBits)) << BigInt(hostBits);
    const all = Math.min(MAX_ADDRESSES, 2 ** hostBits);
    this.#size = Math.max(0, all - (this.family === 'IPv4' ? 2 : 1));
    this.#band = all < MIN_BAND ? 0 : Math.min(Math.max(MIN_BAND, Math.floor(all / 16)), MAX_BAND, this.#size);
  }

  /** The first usable address: that of `default/kubernetes`. */
  get first(): string {
    return this.#address(0);
  }

  contains(address: string): boolean {
    if (!ipaddr.isValid(address)) return false;
    const parsed = ipaddr.parse(address);
    if ((parsed.kind() === 'ipv4') !== (this.family === 'IPv4')) return false;
    const offset = toNumber(parsed.toByteArray()) - this.#base - 1n;
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
    let value = this.#base + 1n + BigInt(offset);
    const bytes: number[] = [];
    for (let i = 0; i < (this.family === 'IPv4' ? 4 : 16); i++) {
      bytes.unshift(Number(value & 0xffn));
      value >>= 8n;
    }
    return canonicalAddress(ipaddr.fromByteArray(bytes).toString());
  }
}

/** The one form that names of IPAddress objects have: lower case, the longest run of zeros cut. */
export function canonicalAddress(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.parse(address);
  return parsed.kind() === 'ipv4' ? parsed.toString() : (parsed as ipaddr.IPv6).toRFC5952String();
}

/** The family that an address is written in. */
export function familyOfAddress(address: string): Family {
  return address.includes(':') ? 'IPv6' : 'IPv4';
}

function toNumber(bytes: readonly number[]): bigint {
  return bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}
