/** Sets of NUMA nodes as bits, for going through all combinations; node ids below 31. */

/** Bit n stands for node n. */
export type NumaMask = number;

/** Combinations double with each node: more than this many are refused. */
export const MAX_NUMA_NODE_ID = 30;

export function maskOf(nodes: Iterable<number>): NumaMask {
  let mask = 0;
  for (const node of nodes) mask |= 1 << node;
  return mask;
}

/** Ascending. */
export function nodesOf(mask: NumaMask): number[] {
  const nodes: number[] = [];
  for (let node = 0; node <= MAX_NUMA_NODE_ID; node++) if (has(mask, node)) nodes.push(node);
  return nodes;
}

export function has(mask: NumaMask, node: number): boolean {
  return ((mask >>> node) & 1) === 1;
}

export function countOf(mask: NumaMask): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/** Fewer nodes first; of as many, the one with lower nodes. */
export function isNarrower(mask: NumaMask, than: NumaMask): boolean {
  const difference = countOf(mask) - countOf(than);
  return difference === 0 ? mask < than : difference < 0;
}

/** Every combination of one node or more; fewer nodes first, lower ones before higher ones. */
export function combinations(nodes: readonly number[]): NumaMask[] {
  let masks: NumaMask[] = [0];
  for (const node of nodes) masks = [...masks, ...masks.map(mask => mask | (1 << node))];
  return masks.filter(mask => mask !== 0).sort((a, b) => countOf(a) - countOf(b) || a - b);
}
