/** IP blocks: a network without some of its parts, as networks that do not overlap. */
import { doOverlap, networkText, parseNetwork } from '../../../machinery/meta/ip-number.ts';
import type { IpFamily, IpNetwork } from '../../../machinery/meta/ip-number.ts';

/** The parts of `cidr` that no exception covers, in order of address. @throws Error when one is no network */
export function subtractNetworks(cidr: string, except: readonly string[]): { family: IpFamily; cidrs: string[] } {
  const whole = parseNetwork(cidr);
  const holes = except.map(parseNetwork).filter(hole => doOverlap(hole, whole));
  return { family: whole.family, cidrs: withoutHoles(whole, holes).flatMap(halved).map(networkText) };
}

function withoutHoles(network: IpNetwork, holes: readonly IpNetwork[]): IpNetwork[] {
  if (holes.length === 0) return [network];
  if (holes.some(hole => hole.prefix <= network.prefix)) return [];
  return halves(network).flatMap(half =>
    withoutHoles(
      half,
      holes.filter(hole => doOverlap(hole, half)),
    ),
  );
}

function halves({ family, base, prefix, bits }: IpNetwork): [IpNetwork, IpNetwork] {
  const half = 1n << BigInt(bits - prefix - 1);
  return [
    { family, base, prefix: prefix + 1, bits },
    { family, base: base + half, prefix: prefix + 1, bits },
  ];
}

// Sets of the kernel take no network that is everything.
function halved(network: IpNetwork): IpNetwork[] {
  return network.prefix === 0 ? halves(network) : [network];
}
