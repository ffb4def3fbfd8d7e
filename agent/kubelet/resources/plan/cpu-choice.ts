/**
 * Which processors a container gets for itself: whole sockets, NUMA nodes and cores before single threads, so that what is left stays whole.
 * Source: kubernetes.io/docs, "Control CPU Management Policies on the Node"; `pkg/kubelet/cm/cpumanager/cpu_assignment.go` 1.36.
 */
import type { CpuPlace } from '../../../../machinery/meta/machine-topology.ts';
import { common, cpuSet, EMPTY_CPU_SET, unionOf, without, type CpuSet } from '../../../../machinery/meta/cpu-set.ts';
import { NotEnoughError } from './admission-failure.ts';
import { combinations, nodesOf } from './numa-mask.ts';

export interface CpuChoiceOptions {
  /** `distribute-cpus-across-numa`: evenly over the NUMA nodes that are needed, instead of one after the other. */
  readonly distributeAcrossNuma: boolean;
  /** `prefer-align-cpus-by-uncorecache`: within one last level cache where they fit. */
  readonly alignByUncoreCache: boolean;
  /** Handed out in multiples of this (threads of a core); 1 for any. */
  readonly groupSize: number;
}

/** @throws NotEnoughError */
export function chooseCpus(
  machine: readonly CpuPlace[],
  available: CpuSet,
  count: number,
  options: CpuChoiceOptions,
): CpuSet {
  if (count > available.length) {
    const message = `not enough cpus available to satisfy request: requested=${count}, available=${available.length}`;
    throw new NotEnoughError(message);
  }
  if (options.distributeAcrossNuma && count % options.groupSize === 0) {
    const spread = distribute(machine, available, count, options);
    if (spread !== undefined) return spread;
  }
  return pack(machine, available, count, options.alignByUncoreCache);
}

type Level = 'numaNode' | 'socket' | 'uncoreCache' | 'core';

/** What is still to be taken from, and what was. */
class Picker {
  taken: CpuSet = EMPTY_CPU_SET;
  private readonly machine: readonly CpuPlace[];
  private left: CpuSet;
  private readonly count: number;

  constructor(machine: readonly CpuPlace[], available: CpuSet, count: number) {
    this.machine = machine;
    this.left = available;
    this.count = count;
  }

  get needed(): number {
    return this.count - this.taken.length;
  }

  take(cpus: CpuSet): void {
    this.taken = unionOf(this.taken, cpus);
    this.left = without(this.left, cpus);
  }

  /** Takes every domain that is whole and not more than needed. */
  takeWhole(level: Level): void {
    for (const id of this.ordered(level)) {
      if (this.needed === 0) return;
      const free = this.free(level, id);
      const whole = this.machine.filter(place => place[level] === id).length;
      if (free.length === whole && whole <= this.needed) this.take(free);
    }
  }

  /** Takes all that is needed from the first cache that has it. */
  takeWithinCache(): void {
    for (const id of this.ordered('uncoreCache')) {
      if (this.needed === 0) return;
      const free = this.free('uncoreCache', id);
      if (free.length < this.needed) continue;
      const inside = new Picker(this.machine, free, this.needed);
      inside.takeWhole('core');
      inside.takeRest();
      this.take(inside.taken);
    }
  }

  takeRest(): void {
    for (const core of this.ordered('core')) {
      const free = this.free('core', core);
      this.take(free.slice(0, this.needed));
      if (this.needed === 0) return;
    }
  }

  private free(level: Level, id: number): CpuSet {
    return common(
      this.left,
      this.machine.filter(place => place[level] === id).map(place => place.cpu),
    );
  }

  /** Those with something left: by the fullness of what they lie in, then their own, fullest first; then by number. */
  private ordered(level: Level): number[] {
    const left = new Set(this.left);
    const places = this.machine.filter(place => left.has(place.cpu));
    const count = (by: Level): Map<number, number> => {
      const counts = new Map<number, number>();
      for (const place of places) counts.set(place[by], (counts.get(place[by]) ?? 0) + 1);
      return counts;
    };
    const around = enclosing(this.machine, level);
    const counts = new Map([...around, level].map(by => [by, count(by)] as const));
    const byId = new Map(places.map(place => [place[level], place]));
    return [...byId.values()]
      .sort((a, b) => {
        for (const [by, sizes] of counts) {
          // Caches are gone through in their order: the first that fits.
          const bySize = by === 'uncoreCache' ? 0 : (sizes.get(a[by]) ?? 0) - (sizes.get(b[by]) ?? 0);
          if (bySize !== 0) return bySize;
          if (a[by] !== b[by]) return a[by] - b[by];
        }
        return 0;
      })
      .map(place => place[level]);
  }
}

/** From the widest: a NUMA node may hold sockets, or a socket NUMA nodes. */
function levelsFromWidest(machine: readonly CpuPlace[]): readonly ['numaNode' | 'socket', 'numaNode' | 'socket'] {
  const sockets = new Set(machine.map(place => place.socket)).size;
  const nodes = new Set(machine.map(place => place.numaNode)).size;
  return sockets >= nodes ? ['numaNode', 'socket'] : ['socket', 'numaNode'];
}

function enclosing(machine: readonly CpuPlace[], level: Level): Level[] {
  const wide = levelsFromWidest(machine);
  const at = wide.findIndex(name => name === level);
  return at === -1 ? [...wide] : wide.slice(0, at);
}

function pack(machine: readonly CpuPlace[], available: CpuSet, count: number, byCache: boolean): CpuSet {
  const picker = new Picker(machine, available, count);
  for (const level of levelsFromWidest(machine)) picker.takeWhole(level);
  if (byCache) {
    picker.takeWhole('uncoreCache');
    picker.takeWithinCache();
  }
  picker.takeWhole('core');
  picker.takeRest();
  return picker.taken;
}

/** As few nodes as can share the amount evenly; of those the ones that leave the machine most balanced. Undefined: it cannot be shared so. */
function distribute(
  machine: readonly CpuPlace[],
  available: CpuSet,
  count: number,
  { groupSize, alignByUncoreCache }: CpuChoiceOptions,
): CpuSet | undefined {
  if (count === 0) return EMPTY_CPU_SET;
  const nodes = [...new Set(machine.map(place => place.numaNode))].sort((a, b) => a - b);
  const freeOf = new Map(
    nodes.map(node => [node, common(available, cpuSet(machine.filter(p => p.numaNode === node).map(p => p.cpu)))]),
  );
  const freeCount = (node: number): number => freeOf.get(node)?.length ?? 0;
  let best:
    { readonly shares: ReadonlyMap<number, number>; readonly width: number; readonly imbalance: number } | undefined;
  for (const combination of combinations(nodes).map(nodesOf)) {
    if (best !== undefined && combination.length > best.width) break;
    const shares = sharesOf(combination, count, groupSize, freeCount);
    if (shares === undefined) continue;
    const imbalance = deviation(nodes.map(node => freeCount(node) - (shares.get(node) ?? 0)));
    if (best === undefined || imbalance < best.imbalance) best = { shares, width: combination.length, imbalance };
  }
  if (best === undefined) return undefined;
  return unionOf(
    ...[...best.shares].map(([node, share]) => pack(machine, freeOf.get(node) ?? [], share, alignByUncoreCache)),
  );
}

/** The same for each, and what is left over group by group to those with most; undefined if one has too little. */
function sharesOf(
  nodes: readonly number[],
  count: number,
  groupSize: number,
  freeCount: (node: number) => number,
): Map<number, number> | undefined {
  const even = Math.floor(count / nodes.length / groupSize) * groupSize;
  if (even === 0 || nodes.some(node => freeCount(node) < even)) return undefined;
  const shares = new Map(nodes.map(node => [node, even]));
  let rest = count - even * nodes.length;
  while (rest > 0) {
    const fullest = [...shares]
      .filter(([node, share]) => share === even && freeCount(node) - share >= groupSize)
      .sort(([a], [b]) => freeCount(b) - freeCount(a) || a - b)[0];
    if (fullest === undefined) return undefined;
    shares.set(fullest[0], even + groupSize);
    rest -= groupSize;
  }
  return shares;
}

function deviation(numbers: readonly number[]): number {
  const mean = numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  return Math.sqrt(numbers.reduce((sum, number) => sum + (number - mean) ** 2, 0) / numbers.length);
}
