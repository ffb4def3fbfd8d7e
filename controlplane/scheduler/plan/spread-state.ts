/** Where a pod may go by its spread constraints, in one scheduling cycle and in trials that add or take away pods. */
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import { admission, countsPod, standsInAll, type SpreadConstraint } from './spread-constraints.ts';
import type { TopologyCounts } from './topology-counts.ts';
import { topologyValue } from './topology.ts';

type Changes = ReadonlyMap<string, number>;

const NONE: Changes = new Map();

interface Part {
  readonly constraint: SpreadConstraint;
  readonly counts: TopologyCounts;
  /** 1 if the pod counts itself. */
  readonly self: number;
  /** What a trial changed, by value. */
  changes: Changes;
  /** The most pods that a domain may have before the pod comes. */
  limit: number;
}

export class SpreadState {
  private readonly pod: Pod;
  private readonly parts: readonly Part[];

  private constructor(pod: Pod, parts: readonly Part[]) {
    this.pod = pod;
    this.parts = parts;
  }

  static of(
    pod: Pod,
    constraints: readonly SpreadConstraint[],
    countsOf: (one: SpreadConstraint) => TopologyCounts,
  ): SpreadState {
    const parts = constraints.map((constraint): Part => {
      const counts = countsOf(constraint);
      const self = constraint.selector.matches(pod.metadata.labels) ? 1 : 0;
      return { constraint, counts, self, changes: NONE, limit: limitOf(constraint, counts, self, NONE) };
    });
    return new SpreadState(pod, parts);
  }

  judge(node: Node): 'fits' | 'tooUneven' | 'noLabel' {
    for (const { constraint, counts, changes, limit } of this.parts) {
      const value = topologyValue(node, constraint.topologyKey);
      if (value === undefined) return 'noLabel';
      const changed = changes.size === 0 ? 0 : (changes.get(value) ?? 0);
      if ((counts.get(value) ?? 0) + changed > limit) return 'tooUneven';
    }
    return 'fits';
  }

  /** As if `other` came to the node, or went. */
  change(other: Pod, node: Node, by: 1 | -1): void {
    if (
      !standsInAll(
        node,
        this.parts.map(({ constraint }) => constraint),
      )
    )
      return;
    for (const part of this.parts) {
      const { constraint, counts, self } = part;
      const { namespace = '' } = this.pod.metadata;
      if (!countsPod(constraint, namespace, other) || !admission(constraint, this.pod)(node)) continue;
      const value = topologyValue(node, constraint.topologyKey) ?? '';
      part.changes = new Map(part.changes).set(value, (part.changes.get(value) ?? 0) + by);
      part.limit = limitOf(constraint, counts, self, part.changes);
    }
  }

  clone(): SpreadState {
    return new SpreadState(
      this.pod,
      this.parts.map(part => ({ ...part })),
    );
  }
}

function limitOf(
  { maxSkew, minDomains }: SpreadConstraint,
  counts: TopologyCounts,
  self: number,
  changes: Changes,
): number {
  const least = counts.size < minDomains ? 0 : counts.least(changes);
  return maxSkew + least - self;
}
