/**
 * Who holds which addresses of the network: the first who says so, and nobody who comes after with a part of them or with more. Looks at the
 * networks that may overlap, not at all of them: of a thousand nodes each has a range and addresses.
 */
import type { IpNetwork } from '../../../machinery/meta/ip-number.ts';

interface Claim {
  readonly network: IpNetwork;
  readonly holder: string;
}

/** Claims of one prefix length, by the first address of their block of that length. */
interface Blocks {
  readonly prefix: number;
  readonly family: IpNetwork['family'];
  /** Of exactly that length. */
  readonly exact: Map<bigint, string>;
  /** The first one that lies within. */
  readonly within: Map<bigint, string>;
}

export class RangeClaims {
  private readonly claims: Claim[] = [];
  private readonly lengths: Blocks[] = [];

  /** @param holder what it is, in words */
  add(network: IpNetwork, holder: string): void {
    this.blocksOf(network);
    this.claims.push({ network, holder });
    for (const blocks of this.lengths) put(blocks, { network, holder });
  }

  /** What a network shares addresses with, in words; undefined if nothing. */
  holderOf(network: IpNetwork): string | undefined {
    const inside = this.blocksOf(network).within.get(network.base);
    if (inside !== undefined) return inside;
    for (const { family, prefix, exact } of this.lengths) {
      const holder =
        family === network.family && prefix < network.prefix ? exact.get(blockOf(network, prefix)) : undefined;
      if (holder !== undefined) return holder;
    }
    return undefined;
  }

  private blocksOf({ family, prefix }: IpNetwork): Blocks {
    const known = this.lengths.find(blocks => blocks.family === family && blocks.prefix === prefix);
    if (known !== undefined) return known;
    const blocks: Blocks = { family, prefix, exact: new Map(), within: new Map() };
    for (const claim of this.claims) put(blocks, claim);
    this.lengths.push(blocks);
    return blocks;
  }
}

function put({ family, prefix, exact, within }: Blocks, { network, holder }: Claim): void {
  if (network.family !== family || network.prefix < prefix) return;
  const block = blockOf(network, prefix);
  if (!within.has(block)) within.set(block, holder);
  if (network.prefix === prefix && !exact.has(block)) exact.set(block, holder);
}

function blockOf({ base, bits }: IpNetwork, prefix: number): bigint {
  const shift = BigInt(bits - prefix);
  return (base >> shift) << shift;
}
