/** The address by which others reach this machine: that of the interface with the default route, else the first that is not loopback. */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { CliError, exitCodes } from './exit-codes.ts';

/**
 * @param configured `--node-ip`; it has to be one of this machine's
 * @throws CliError when there is none; `--node-ip` then says it
 */
export function nodeAddress(configured?: string): string {
  const interfaces = networkInterfaces();
  if (configured !== undefined) {
    const own = Object.values(interfaces).flatMap(list => list?.map(a => a.address) ?? []);
    if (own.includes(configured)) return configured;
    throw new CliError(
      `--node-ip ${configured} is no address of this machine; it has ${own.join(', ')}`,
      exitCodes.usage,
    );
  }
  const ipv4 = (name: string): string | undefined =>
    interfaces[name]?.find(a => a.family === 'IPv4' && !a.internal)?.address;
  const fallback = Object.keys(interfaces)
    .map(ipv4)
    .find(address => address !== undefined);
  const address = ipv4(defaultInterface() ?? '') ?? fallback;
  if (address === undefined)
    throw new CliError('This machine has no IPv4 address besides loopback; name one with --node-ip', exitCodes.usage);
  return address;
}

/** The interface whose route has destination and mask 0 (/proc/net/route). */
function defaultInterface(): string | undefined {
  try {
    return readFileSync('/proc/net/route', 'utf8')
      .split('\n')
      .slice(1)
      .map(line => line.split('\t'))
      .find(f => f[1] === '00000000' && f[7] === '00000000')?.[0];
  } catch {
    return undefined;
  }
}
