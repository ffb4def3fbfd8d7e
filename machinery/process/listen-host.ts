/** What servers listen on, and who speaks to them, where a host has both families of addresses. */
import { isIPv6 } from 'node:net';

/**
 * What Node is told to listen on. `0.0.0.0` and `::` both mean every address of the machine, of both families where it has both, as
 * Go's programs take them.
 * @returns undefined for every address
 */
export function listenHost(address: string): string | undefined {
  return ['', '0.0.0.0', '::'].includes(address) ? undefined : address;
}

/** A peer's address as its owner knows it: a socket of both families shows IPv4 ones as `::ffff:192.0.2.1`. */
export function peerAddress(remoteAddress: string | undefined): string {
  const address = remoteAddress ?? '';
  return isIPv6(address) && /^::ffff:\d+\./i.test(address) ? address.slice('::ffff:'.length) : address;
}
