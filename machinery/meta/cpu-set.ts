/**
 * Sets of small numbers as the kernel writes them: processors (`cpuset.cpus`) and NUMA nodes (`cpuset.mems`).
 * Source: cpuset(7), "List format".
 */

/** Sorted ascending, no duplicates. */
export type CpuSet = readonly number[];

export const EMPTY_CPU_SET: CpuSet = [];

/** The numbers as a set. */
export function cpuSet(numbers: Iterable<number>): CpuSet {
  return [...new Set(numbers)].sort((a, b) => a - b);
}

/**
 * Reads `0-3,7`; blanks around it and the empty text are fine.
 * @throws Error that names the part that is no number and no range
 */
export function parseCpuSet(text: string): CpuSet {
  const trimmed = text.trim();
  if (trimmed === '') return EMPTY_CPU_SET;
  const numbers: number[] = [];
  for (const part of trimmed.split(',')) {
    const match = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(part);
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? match?.[1]);
    if (match === null || last < first)
      throw new Error(`"${text}" is not a list of processors: "${part}" is neither a number nor a range such as 0-3`);
    for (let number = first; number <= last; number++) numbers.push(number);
  }
  return cpuSet(numbers);
}

/** As the kernel writes it: `0-3,7`; '' for none. */
export function formatCpuSet(set: CpuSet): string {
  const parts: string[] = [];
  for (let at = 0; at < set.length;) {
    const first = set[at] ?? 0;
    let end = at;
    while (set[end + 1] === first + (end + 1 - at)) end++;
    const last = set[end] ?? first;
    parts.push(last === first ? String(first) : `${first}-${last}`);
    at = end + 1;
  }
  return parts.join(',');
}

export function unionOf(...sets: readonly CpuSet[]): CpuSet {
  return cpuSet(sets.flat());
}

/** What is in `set` and not in `other`. */
export function without(set: CpuSet, other: CpuSet): CpuSet {
  const gone = new Set(other);
  return set.filter(number => !gone.has(number));
}

/** What is in both. */
export function common(set: CpuSet, other: CpuSet): CpuSet {
  const kept = new Set(other);
  return set.filter(number => kept.has(number));
}

/** Whether all of `set` is in `other`. */
export function isWithin(set: CpuSet, other: CpuSet): boolean {
  return without(set, other).length === 0;
}

export function sameSet(a: CpuSet, b: CpuSet): boolean {
  return a.length === b.length && a.every((number, index) => number === b[index]);
}
