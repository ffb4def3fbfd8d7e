/**
 * The addresses of one service network, and which of them are taken. Everything happens at once in memory: two creates never get the same.
 * Source: kubernetes `pkg/registry/core/service/ipallocator` (offsets, the band kept for static addresses: KEP-3070).
 */
import { randomInt } from 'node:crypto';
import ipaddr from 'ipaddr.js';

/** Larger networks (IPv6) are used up to so many addresses. */
const MAX_ADDRESSES = 2 ** 20;

export class AddressRange {
  readonly cidr: string;
  readonly family: 'IPv4' | 'IPv6';
  readonly #base: bigint;
  /** Usable addresses: without the network's own and, for IPv4, the broadcast address. */
  readonly #size: number;
  readonly #taken = new Set<number>();

  constructor(cidr: string) {
    const [address, bits] = ipaddr.parseCIDR(cidr);
    this.cidr = cidr;
    this.family = address.kind() === 'ipv4' ? 'IPv4' : 'IPv6';
    const hostBits = (this.family === 'IPv4' ? 32 : 128) - bits;
    this.#base = (toNumber(address.toByteArray()) >> BigInt(hostBits)) << BigInt(hostBits);
    const all = hostBits >= 20 ? MAX_ADDRESSES : 2 ** hostBits;
    this.#size = Math.max(0, all - (this.family === 'IPv4' ? 2 : 1));
  }

  /** The first usable address: that of `default/kubernetes`. */
  get first(): string {
    return this.#address(0);
  }

  contains(address: string): boolean {
    return this.#offset(address) !== undefined;
  }

  /** Takes `address`. 'taken' and 'outside' say why not. */
  reserve(address: string): 'ok' | 'taken' | 'outside' {
    const offset = this.#offset(address);
    if (offset === undefined) return 'outside';
    if (this.#taken.has(offset)) return 'taken';
    this.#taken.add(offset);
    return 'ok';
  }

  /** Takes any free address, from the band behind the static ones first; undefined when all are taken. */
  allocate(): string | undefined {
    const band = Math.min(Math.max(16, Math.floor(this.#size / 16)), 256);
    const upper = this.#size > band ? band : 0;
    return this.#find(upper, this.#size) ?? this.#find(0, upper);
  }

  release(address: string): void {
    const offset = this.#offset(address);
    if (offset !== undefined) this.#taken.delete(offset);
  }

  get takenCount(): number {
    return this.#taken.size;
  }

  #find(from: number, to: number): string | undefined {
    const count = to - from;
    if (count <= 0) return undefined;
    const start = randomInt(count);
    for (let i = 0; i < count; i++) {
      const offset = from + ((start + i) % count);
      if (this.#taken.has(offset)) continue;
      this.#taken.add(offset);
      return this.#address(offset);
    }
    return undefined;
  }

  #offset(address: string): number | undefined {
    if (!ipaddr.isValid(address)) return undefined;
    const parsed = ipaddr.parse(address);
    if ((parsed.kind() === 'ipv4') !== (this.family === 'IPv4')) return undefined;
    const offset = toNumber(parsed.toByteArray()) - this.#base - 1n;
    return offset >= 0n && offset < BigInt(this.#size) ? Number(offset) : undefined;
  }

  #address(offset: number): string {
    let value = this.#base + 1n + BigInt(offset);
    const bytes: number[] = [];
    for (let i = 0; i < (this.family === 'IPv4' ? 4 : 16); i++) {
      bytes.unshift(Number(value & 0xffn));
      value >>= 8n;
    }
    return ipaddr.fromByteArray(bytes).toString();
  }
}

function toNumber(bytes: readonly number[]): bigint {
  return bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}
