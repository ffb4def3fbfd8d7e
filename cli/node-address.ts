/**
 * The addresses by which others reach this machine: of each family that of the interface with the default route, else the first that is
 * not loopback and not of one link alone.
 */
import { readFileSync } from 'node:fs';
import { networkInterfaces, type NetworkInterfaceInfo } from 'node:os';
import ipaddr from 'ipaddr.js';
import { ipNumber, ipText, isWithin, parseNetwork, type IpFamily } from '../machinery/meta/ip-number.ts';
import { CliError, exitCodes } from './exit-codes.ts';
import { familyOf } from './network-ranges.ts';

/** One range a family at most. */
export interface ClusterRanges {
  readonly clusterCidrs: readonly string[];
  readonly serviceCidrs: readonly string[];
}

type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

/**
 * @param configured `--node-ip`; each has to be one of this machine's
 * @param cluster its ranges, those of the primary family first; undefined while they are not known: both families then
 * @returns one a family in that order; a family besides the primary one may be absent
 * @throws CliError when there is none of the primary family; `--node-ip` then says it
 */
export function nodeAddresses(
  configured: readonly string[] | undefined,
  cluster: ClusterRanges | undefined,
  interfaces: Interfaces = networkInterfaces(),
): string[] {
  const families = cluster?.clusterCidrs.map(familyOf);
  const wanted = families ?? ['IPv4', 'IPv6'];
  const named = configured?.map(canonical);
  if (named !== undefined) checkOwn(named, interfaces);
  const found = named ?? wanted.flatMap(family => detect(family, cluster, interfaces) ?? []);
  const ordered = wanted.flatMap(family => found.filter(address => familyOf(address) === family));
  const [primary] = ordered;
  const isPrimary = primary !== undefined && (families === undefined || familyOf(primary) === families[0]);
  if (isPrimary) return ordered;
  const family = families?.[0] ?? 'IP';
  const why =
    configured === undefined
      ? `This machine has no ${family} address besides loopback; name one with --node-ip`
      : `--node-ip ${configured.join()} has no ${family} address, which the nodes of this cluster are known by`;
  throw new CliError(why, exitCodes.usage);
}

function canonical(address: string): string {
  return ipText(ipNumber(address), familyOf(address));
}

function checkOwn(configured: readonly string[], interfaces: Interfaces): void {
  const own = Object.values(interfaces).flatMap(list => list?.map(a => a.address) ?? []);
  const foreign = configured.find(address => !own.includes(address));
  if (foreign === undefined) return;
  const have = own.join(', ');
  throw new CliError(`--node-ip ${foreign} is no address of this machine; it has ${have}`, exitCodes.usage);
}

function detect(family: IpFamily, cluster: ClusterRanges | undefined, interfaces: Interfaces): string | undefined {
  // Bridges of an earlier run have addresses of pods and services.
  const own = [...(cluster?.clusterCidrs ?? []), ...(cluster?.serviceCidrs ?? [])].map(parseNetwork);
  const isOthers = (address: string): boolean => !isOfLink(address) && !own.some(range => isWithin(address, range));
  const on = (name: string): string | undefined =>
    interfaces[name]?.find(a => a.family === family && !a.internal && isOthers(a.address))?.address;
  const byRoute = on((family === 'IPv4' ? defaultInterface() : defaultInterface6()) ?? '');
  return (
    byRoute ??
    Object.keys(interfaces)
      .map(on)
      .find(address => address !== undefined)
  );
}

/** `fe80::1`: good on one link only. */
function isOfLink(address: string): boolean {
  return address.includes(':') && ipaddr.parse(address).range() === 'linkLocal';
}

/** The interface whose route has destination and mask 0 (/proc/net/route). */
function defaultInterface(): string | undefined {
  return rowsOf('/proc/net/route')
    .slice(1)
    .find(f => f[1] === '00000000' && f[7] === '00000000')?.[0];
}

/** The same of /proc/net/ipv6_route: destination, its length, ..., next hop, ..., interface. The kernel's own entry for nowhere is on `lo`. */
function defaultInterface6(): string | undefined {
  return rowsOf('/proc/net/ipv6_route')
    .find(f => /^0+$/.test(f[0] ?? '') && f[1] === '00' && f[9] !== 'lo')
    ?.at(9);
}

function rowsOf(file: string): string[][] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .map(line => line.trim().split(/\s+/));
  } catch {
    return [];
  }
}
