/**
 * Addresses and networks in the one form that is not ambiguous: no leading zeros, no IPv4 inside IPv6, RFC 5952 for IPv6.
 * Source: apimachinery `util/validation/ip.go`, 1.36.
 */
import ipaddr from 'ipaddr.js';
import type { Problems } from '../../../../machinery/meta/names.ts';
import { cidr, ipAddress } from '../../../../machinery/meta/value-shapes.ts';

const DOTTED = /^[\d.]+(\/\d+)?$/;

/** An address in canonical form. */
export function canonicalIp(value: string): Problems {
  if (ipAddress(value).length > 0)
    return DOTTED.test(value) && ipAddress(withoutZeros(value)).length === 0
      ? ['must not have leading 0s']
      : ipAddress(value);
  if (isMapped(value)) return ['must not be an IPv4-mapped IPv6 address'];
  return unlessSame(value, textOf(ipaddr.parse(value)));
}

/** A network in canonical form. */
export function canonicalCidr(value: string): Problems {
  const problems = strictCidr(value);
  if (problems.length > 0) return problems;
  const [address, bits] = ipaddr.parseCIDR(value);
  return unlessSame(value, `${textOf(address)}/${bits}`);
}

/** A network; IPv6 in any form. */
export function strictCidr(value: string): Problems {
  if (cidr(value).length > 0)
    return DOTTED.test(value) && cidr(withoutZeros(value)).length === 0
      ? ['must not have leading 0s in IP or prefix length']
      : cidr(value);
  const [address, bits] = ipaddr.parseCIDR(value);
  if (isMapped(value.split('/')[0] ?? '')) return ['must not have an IPv4-mapped IPv6 address'];
  return networkOf(address, bits) === numberOf(address) ? [] : ['must not have bits set beyond the prefix length'];
}

/** An interface's address with the length of its network, in canonical form: `10.9.8.7/24`. */
export function interfaceAddress(value: string): Problems {
  if (cidr(value).length > 0) return ['must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)'];
  const [address, bits] = ipaddr.parseCIDR(value);
  return unlessSame(value, `${textOf(address)}/${bits}`);
}

/** Whether the network `inner` is a part of `outer`, and not all of it. Both are valid. */
export function isStrictSubnet(inner: string, outer: string): boolean {
  const [address, bits] = ipaddr.parseCIDR(inner);
  const [network, length] = ipaddr.parseCIDR(outer);
  return address.kind() === network.kind() && bits > length && address.match(network, length);
}

function unlessSame(value: string, canonical: string): Problems {
  return value === canonical ? [] : [`must be in canonical form ("${canonical}")`];
}

function textOf(address: ipaddr.IPv4 | ipaddr.IPv6): string {
  return address.kind() === 'ipv4' ? address.toString() : (address as ipaddr.IPv6).toRFC5952String();
}

function isMapped(address: string): boolean {
  const parsed = ipaddr.parse(address);
  return parsed.kind() === 'ipv6' && (parsed as ipaddr.IPv6).isIPv4MappedAddress();
}

function withoutZeros(text: string): string {
  return text.replace(/\b0+(?=\d)/g, '');
}

function numberOf(address: ipaddr.IPv4 | ipaddr.IPv6): bigint {
  return address.toByteArray().reduce((sum, byte) => (sum << 8n) + BigInt(byte), 0n);
}

function networkOf(address: ipaddr.IPv4 | ipaddr.IPv6, bits: number): bigint {
  const host = BigInt(address.toByteArray().length * 8 - bits);
  return (numberOf(address) >> host) << host;
}
