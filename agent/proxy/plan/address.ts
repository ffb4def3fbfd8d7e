/** Which addresses and ports may become part of a rule. What is no address never reaches the kernel. */
import { cidr } from '../../../machinery/meta/value-shapes.ts';
import type { IpFamily } from '../../../machinery/meta/ip-number.ts';

export type AddressFamily = IpFamily;

/** The family of `address/length`; undefined if it is none. */
export function cidrFamilyOf(text: string): AddressFamily | undefined {
  if (cidr(text).length > 0) return undefined;
  return text.includes(':') ? 'IPv6' : 'IPv4';
}

/** An address as a rule names it: with its prefix length. */
export function hostCidr(address: string): string {
  return address.includes(':') ? `${address}/128` : `${address}/32`;
}

/** 1 to 65535. */
export function isPort(port: number | undefined): port is number {
  return port !== undefined && Number.isInteger(port) && port >= 1 && port <= 65535;
}
