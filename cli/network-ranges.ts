/**
 * The ranges of the cluster's network, one a family: which values go together, and the well-known addresses in them. The first range is of
 * the primary family: that of `podIP`, of `clusterIP` and of the API server's own service. Pure.
 */
import { isIP } from 'node:net';
import {
  doOverlap,
  ipText,
  isWithin,
  networkText,
  parseNetwork,
  type IpFamily,
  type IpNetwork,
} from '../machinery/meta/ip-number.ts';
import { cidr as cidrProblems } from '../machinery/meta/value-shapes.ts';

/** What the configuration says of ranges and addresses; lists have the primary family first. */
interface NetworkFlags {
  readonly clusterCidr: readonly string[];
  readonly serviceCidr: readonly string[];
  readonly clusterDns?: readonly string[] | undefined;
  readonly nodeIp?: readonly string[] | undefined;
  readonly advertiseAddress?: string | undefined;
  readonly nodeCidrMaskSize?: number | undefined;
  readonly nodeCidrMaskSizeIpv4?: number | undefined;
  readonly nodeCidrMaskSizeIpv6?: number | undefined;
}

type RangeFlag = 'cluster-cidr' | 'service-cidr' | 'cluster-dns' | 'node-ip' | 'advertise-address' | MaskFlag;
type MaskFlag = 'node-cidr-mask-size' | 'node-cidr-mask-size-ipv4' | 'node-cidr-mask-size-ipv6';
type Say = (flag: RangeFlag, value: unknown, want: string) => void;

/** The tenth address must be in it. */
const SMALLEST_SERVICE_BITS = 4;
const DEFAULT_NODE_MASK = { IPv4: 24, IPv6: 64 } as const;

/** Says what is wrong of the ranges and of the addresses that belong to them. */
export function rangeProblems(c: NetworkFlags, say: Say): void {
  const pods = networks('cluster-cidr', c.clusterCidr, say);
  const services = networks('service-cidr', c.serviceCidr, say);
  if (c.nodeIp !== undefined) checkAddresses('node-ip', c.nodeIp, say);
  const isDnsRight = c.clusterDns === undefined || checkAddresses('cluster-dns', c.clusterDns, say);
  if (pods === undefined || services === undefined) return;
  togetherProblems(c, pods, services, say);
  const family = services[0]?.family;
  // Pods reach the API server by a service of the primary family, which leads to this address.
  if (c.advertiseAddress !== undefined && isIP(c.advertiseAddress) !== 0 && familyOf(c.advertiseAddress) !== family)
    say('advertise-address', c.advertiseAddress, `is no ${family} address, as the first range of --service-cidr is`);
  maskProblems(c, pods, say);
  if (!isDnsRight) return;
  for (const address of c.clusterDns ?? []) {
    if (!services.some(range => isWithin(address, range)))
      say('cluster-dns', address, `is not in the range of service addresses, --service-cidr ${c.serviceCidr.join()}`);
  }
}

function togetherProblems(c: NetworkFlags, pods: readonly IpNetwork[], services: readonly IpNetwork[], say: Say): void {
  const text = c.serviceCidr.join();
  const podsText = `--cluster-cidr ${c.clusterCidr.join()}`;
  const [primary] = services;
  if (primary === undefined) return;
  if (primary.family !== pods[0]?.family) {
    say('service-cidr', text, `is ${primary.family} first; the range of pod addresses has to be so too, ${podsText}`);
    return;
  }
  for (const [i, range] of services.entries()) {
    const ofPods = pods.find(pod => pod.family === range.family);
    const one = c.serviceCidr[i];
    if (ofPods === undefined)
      say('service-cidr', one, `needs a range of pod addresses of ${range.family} too, ${podsText}`);
    else if (doOverlap(range, ofPods)) say('service-cidr', one, `overlaps the range of pod addresses, ${podsText}`);
    if (range.bits - range.prefix < SMALLEST_SERVICE_BITS)
      say('service-cidr', one, `is too small; the smallest is a /${range.bits - SMALLEST_SERVICE_BITS}`);
  }
}

/** Source: upstream's flags of the same names; which of them go with which ranges is its rule as well. */
function maskProblems(c: NetworkFlags, pods: readonly IpNetwork[], say: Say): void {
  const isDual = pods.length === 2;
  const one = c.nodeCidrMaskSize;
  if (one !== undefined && isDual)
    say('node-cidr-mask-size', one, 'is for one range; of two say --node-cidr-mask-size-ipv4 and -ipv6');
  for (const [flag, size] of [
    ['node-cidr-mask-size-ipv4', c.nodeCidrMaskSizeIpv4],
    ['node-cidr-mask-size-ipv6', c.nodeCidrMaskSizeIpv6],
  ] as const) {
    if (size !== undefined && !isDual) say(flag, size, 'is for two ranges; of one say --node-cidr-mask-size');
  }
  for (const pod of pods) {
    const { flag, given } = maskSetting(c, pod.family);
    const size = given ?? DEFAULT_NODE_MASK[pod.family];
    const longest = pod.bits - 2;
    if (Number.isInteger(size) && size >= pod.prefix && size <= longest) continue;
    const room = `of ${networkText(pod)} a node's part is a /${pod.prefix} to a /${longest}`;
    if (given === undefined)
      say('cluster-cidr', networkText(pod), `has no /${size} for a node; ${room}: say --${flag}`);
    else say(flag, given, `does not fit: ${room}`);
  }
}

function maskSetting(c: NetworkFlags, family: IpFamily): { flag: MaskFlag; given: number | undefined } {
  if (c.clusterCidr.length < 2) return { flag: 'node-cidr-mask-size', given: c.nodeCidrMaskSize };
  return family === 'IPv4'
    ? { flag: 'node-cidr-mask-size-ipv4', given: c.nodeCidrMaskSizeIpv4 }
    : { flag: 'node-cidr-mask-size-ipv6', given: c.nodeCidrMaskSizeIpv6 };
}

/** Lengths of the prefixes of nodes' parts, in the order of `clusterCidr`. */
export function nodeMaskSizes(c: NetworkFlags): number[] {
  return c.clusterCidr.map(cidr => maskSetting(c, familyOf(cidr)).given ?? DEFAULT_NODE_MASK[familyOf(cidr)]);
}

function networks(flag: RangeFlag, values: readonly string[], say: Say): IpNetwork[] | undefined {
  const wrong = values.filter(value => cidrProblems(value).length > 0);
  for (const value of wrong) say(flag, value, 'is no range of addresses, such as 10.244.0.0/16 or fd00:10:244::/56');
  if (wrong.length > 0) return undefined;
  const ranges = values.map(parseNetwork);
  return isOneAFamily(
    flag,
    values,
    ranges.map(range => range.family),
    say,
  )
    ? ranges
    : undefined;
}

function checkAddresses(flag: RangeFlag, values: readonly string[], say: Say): boolean {
  const wrong = values.filter(value => isIP(value) === 0);
  for (const value of wrong) say(flag, value, 'is no IP address');
  return wrong.length === 0 && isOneAFamily(flag, values, values.map(familyOf), say);
}

function isOneAFamily(flag: RangeFlag, values: readonly string[], families: readonly IpFamily[], say: Say): boolean {
  if (values.length === 0) say(flag, '', 'is empty');
  else if (new Set(families).size !== families.length)
    say(flag, values.join(), 'may have one value, or one of IPv4 and one of IPv6');
  else return true;
  return false;
}

/** The same with ranges in their canonical form: the first address of the network. */
export function withPlainRanges<T extends Pick<NetworkFlags, 'clusterCidr' | 'serviceCidr'>>(c: T): T {
  const plain = (cidrs: readonly string[]): string[] => cidrs.map(cidr => networkText(parseNetwork(cidr)));
  return { ...c, clusterCidr: plain(c.clusterCidr), serviceCidr: plain(c.serviceCidr) };
}

/** The ranges under the names that all nodes know them by. */
export function rangesOf(c: Pick<NetworkFlags, 'clusterCidr' | 'serviceCidr'>) {
  return { clusterCidrs: c.clusterCidr, serviceCidrs: c.serviceCidr };
}

/** The family of an address or a range. */
export function familyOf(addressOrRange: string): IpFamily {
  return addressOrRange.includes(':') ? 'IPv6' : 'IPv4';
}

/** The `n`th address of a range, which has it: `nthAddress('10.96.0.0/16', 10)` is 10.96.0.10. The API server's is the first, DNS' the tenth. */
export function nthAddress(cidr: string, n: number): string {
  const { base, family } = parseNetwork(cidr);
  return ipText(base + BigInt(n), family);
}
