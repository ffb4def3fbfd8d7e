/** Addresses as numbers, for counting within a network. Canonical text: dotted, or RFC 5952. */
import ipaddr from 'ipaddr.js';
import { ipFamilyOf } from './value-shapes.ts';

export type IpFamily = 'IPv4' | 'IPv6';

/** The number that an address is. @throws Error when it is none */
export function ipNumber(address: string): bigint {
  return ipaddr
    .parse(address)
    .toByteArray()
    .reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

/** The address with that number, in canonical form. */
export function ipText(value: bigint, family: IpFamily): string {
  const length = family === 'IPv4' ? 4 : 16;
  const bytes = Array.from({ length }, (_, i) => Number((value >> BigInt(8 * (length - 1 - i))) & 0xffn));
  const address = ipaddr.fromByteArray(bytes);
  return address.kind() === 'ipv4' ? address.toString() : (address as ipaddr.IPv6).toRFC5952String();
}

/** An address as it is compared and written; undefined if the text is none. */
export function canonicalAddress(text: string): string | undefined {
  const family = ipFamilyOf(text);
  if (family === undefined) return undefined;
  // Ten thousands of them are read at once: without the way by a number.
  return family === 'IPv4' ? text : (ipaddr.parse(text) as ipaddr.IPv6).toRFC5952String();
}

/** A network: `base` is its first address, with no bit set beyond `prefix`. */
export interface IpNetwork {
  readonly family: IpFamily;
  readonly base: bigint;
  /** Length of the prefix. */
  readonly prefix: number;
  /** Bits of an address. */
  readonly bits: 32 | 128;
}

/** Reads `10.244.0.0/16`; bits beyond the prefix are cut off. @throws Error when it is no network */
export function parseNetwork(cidr: string): IpNetwork {
  const [address, prefix] = ipaddr.parseCIDR(cidr);
  const family = address.kind() === 'ipv4' ? 'IPv4' : 'IPv6';
  const bits = family === 'IPv4' ? 32 : 128;
  const shift = BigInt(bits - prefix);
  return { family, base: (ipNumber(address.toString()) >> shift) << shift, prefix, bits };
}

/** The network's text in canonical form. */
export function networkText({ family, base, prefix }: IpNetwork): string {
  return `${ipText(base, family)}/${prefix}`;
}

/** Whether `address` is a part of the network; one of the other family is not. */
export function isWithin(address: string, { family, base, prefix, bits }: IpNetwork): boolean {
  if ((address.includes(':') ? 'IPv6' : 'IPv4') !== family) return false;
  const shift = BigInt(bits - prefix);
  return ipNumber(address) >> shift === base >> shift;
}

/** Whether two networks share an address. */
export function doOverlap(a: IpNetwork, b: IpNetwork): boolean {
  if (a.family !== b.family) return false;
  const shift = BigInt(a.bits - Math.min(a.prefix, b.prefix));
  return a.base >> shift === b.base >> shift;
}
