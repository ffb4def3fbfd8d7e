/**
 * Gives nodes ranges of pod addresses out of the cluster's. Pure.
 */

/** A cluster range and the size of one node's part of it. */
export interface CidrPool {
  /** First address of the range. */
  base: bigint;
  /** Length of the range's prefix. */
  prefix: number;
  nodePrefix: number;
  family: 4 | 6;
}

/**
 * @param cidr `10.42.0.0/16`
 * @throws Error when the range is malformed or smaller than one node's part
 */
export function parsePool(cidr: string, nodePrefix?: number): CidrPool {
  const [address = '', length = ''] = cidr.split('/');
  const family = !address.includes(':') ? 4 : 6;
  const bits = family === 4 ? 32 : 128;
  const prefix = Number(length);
  const size = nodePrefix ?? (family === 4 ? 24 : 64);
  if (!/^\d+$/.test(length) || prefix > bits) throw new Error(`"${cidr}" is no network such as 10.42.0.0/16`);
  if (size < prefix || size > bits)
    throw new Error(`Cluster range ${cidr} cannot be split into node ranges of /${size}`);
  const shift = BigInt(bits - prefix);
  return { base: (toNumber(address, family) >> shift) << shift, prefix, nodePrefix: size, family };
}

/** How many nodes have room. */
export function capacityOf(pool: CidrPool): number {
  return 2 ** Math.min(pool.nodePrefix - pool.prefix, 52);
}

/** The range with number `index`. */
export function rangeAt(pool: CidrPool, index: number): string {
  const bits = pool.family === 4 ? 32 : 128;
  const address = pool.base + (BigInt(index) << BigInt(bits - pool.nodePrefix));
  return `${toText(address, pool.family)}/${pool.nodePrefix}`;
}

/** The number of a range, or undefined if it is not of this pool. */
export function indexOf(pool: CidrPool, cidr: string): number | undefined {
  const [address = '', length = ''] = cidr.split('/');
  const family = !address.includes(':') ? 4 : 6;
  if (family !== pool.family || Number(length) !== pool.nodePrefix) return undefined;
  const bits = family === 4 ? 32 : 128;
  const offset = (toNumber(address, family) - pool.base) >> BigInt(bits - pool.nodePrefix);
  return offset >= 0n && offset < BigInt(capacityOf(pool)) ? Number(offset) : undefined;
}

/** The lowest number that is free; undefined if none is. */
export function firstFree(pool: CidrPool, taken: ReadonlySet<number>): number | undefined {
  const capacity = capacityOf(pool);
  for (let index = 0; index < capacity; index++) if (!taken.has(index)) return index;
  return undefined;
}

function toNumber(address: string, family: 4 | 6): bigint {
  if (family === 4) return address.split('.').reduce((n, part) => (n << 8n) | BigInt(part), 0n);
  const [left = '', right] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const tail = groups(right ?? '');
  const head = groups(left);
  const all =
    right === undefined ? head : [...head, ...new Array<string>(8 - head.length - tail.length).fill('0'), ...tail];
  return all.reduce((n, group) => (n << 16n) | BigInt(parseInt(group, 16)), 0n);
}

function toText(address: bigint, family: 4 | 6): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map(shift => String((address >> shift) & 255n)).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => ((address >> BigInt(112 - 16 * i)) & 0xffffn).toString(16));
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}
