/**
 * How welcome a pod is on a node by what would then be requested of it. Each rule takes, resource by resource, what would be requested and what
 * there is, and answers 0..100; resources of which a node has nothing do not count. Whole numbers round as upstream's do.
 *
 * Source: kubernetes.io/docs, "Resource Bin Packing"; upstream plugins NodeResourcesFit and NodeResourcesBalancedAllocation.
 */
import type { ResourceSpec, UtilizationShapePoint } from '../../../proto/api/kube-scheduler-config-v1.ts';
import type { ResourceSum } from './resources.ts';

/** Largest score of a shape's point. */
const MAX_CUSTOM_SCORE = 10;
const MAX = 100;

/** @param requested in the order of the resources, as `allocatable` is */
export type ResourceRule = (requested: readonly number[], allocatable: readonly number[]) => number;

type Weighted = readonly Required<ResourceSpec>[];

/** The emptier, the better. */
export function leastAllocated(resources: Weighted): ResourceRule {
  return averageOf(resources, (requested, allocatable) =>
    requested > allocatable ? 0 : Math.floor(((allocatable - requested) * MAX) / allocatable),
  );
}

/** The fuller, the better. */
export function mostAllocated(resources: Weighted): ResourceRule {
  return averageOf(resources, (requested, allocatable) =>
    Math.floor((Math.min(requested, allocatable) * MAX) / allocatable),
  );
}

/** By a line through the points of `shape`; a resource that scores nothing has no part in the average. */
export function requestedToCapacityRatio(resources: Weighted, shape: readonly UtilizationShapePoint[]): ResourceRule {
  const points = shape.map(({ utilization, score }) => ({ utilization, score: score * (MAX / MAX_CUSTOM_SCORE) }));
  return (requested, allocatable) => {
    let [sum, weights] = [0, 0];
    for (let i = 0; i < resources.length; i++) {
      const [asked, there, weight] = [requested[i] ?? 0, allocatable[i] ?? 0, resources[i]?.weight ?? 0];
      if (there === 0) continue;
      const score = onLine(points, asked > there ? MAX : Math.floor((asked * MAX) / there));
      if (score <= 0) continue;
      sum += score * weight;
      weights += weight;
    }
    return weights === 0 ? 0 : Math.round(sum / weights);
  };
}

/** The more evenly the resources are used, the better: the standard deviation of the shares in use counts. */
export const balanced: ResourceRule = (requested, allocatable) => {
  const shares: number[] = [];
  for (const [i, there] of allocatable.entries())
    if (there !== 0) shares.push(Math.min(1, (requested[i] ?? 0) / there));
  return Math.trunc((1 - deviation(shares)) * MAX);
};

/** Standard deviation; of two, without what a root would lose. */
function deviation(shares: readonly number[]): number {
  const [a = 0, b = 0] = shares;
  if (shares.length < 2) return 0;
  if (shares.length === 2) return Math.abs((a - b) / 2);
  const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
  return Math.sqrt(shares.reduce((sum, share) => sum + (share - mean) * (share - mean), 0) / shares.length);
}

function averageOf(resources: Weighted, scoreOf: (requested: number, allocatable: number) => number): ResourceRule {
  return (requested, allocatable) => {
    let [sum, weights] = [0, 0];
    for (let i = 0; i < resources.length; i++) {
      const [asked, there, weight] = [requested[i] ?? 0, allocatable[i] ?? 0, resources[i]?.weight ?? 0];
      if (there === 0) continue;
      sum += scoreOf(asked, there) * weight;
      weights += weight;
    }
    return weights === 0 ? 0 : Math.floor(sum / weights);
  };
}

export function onLine(points: readonly UtilizationShapePoint[], utilization: number): number {
  let before: UtilizationShapePoint | undefined;
  for (const point of points) {
    if (utilization <= point.utilization) {
      if (before === undefined) return point.score;
      const slope = (point.score - before.score) * (utilization - before.utilization);
      return before.score + Math.trunc(slope / (point.utilization - before.utilization));
    }
    before = point;
  }
  return before?.score ?? 0;
}

/** What a node has, and what of it is taken. */
export interface ResourceUse {
  readonly allocatable: ResourceSum;
  readonly requested: ResourceSum;
  /** As `requested`, with upstream's assumption for containers that name no request. */
  readonly requestedForScore: ResourceSum;
}

const OWN_FIELDS: ReadonlySet<string> = new Set(['cpu', 'memory', 'ephemeral-storage']);

/** Scores nodes by one rule over the resources that it is for. */
export class NodeResourceScorer {
  private readonly resources: readonly string[];
  private readonly rule: ResourceRule;
  private readonly counts: 'requested' | 'requestedForScore';
  private readonly requested: number[];
  private readonly allocatable: number[];

  /** @param counts which of the nodes' sums */
  constructor(resources: Weighted, rule: ResourceRule, counts: 'requested' | 'requestedForScore') {
    this.resources = resources.map(({ name }) => name);
    this.rule = rule;
    this.counts = counts;
    // Used anew for every node: there are thousands.
    this.requested = this.resources.map(() => 0);
    this.allocatable = this.resources.map(() => 0);
  }

  /** Whether the pod asks for none of the resources. */
  asksForNothing(request: ResourceSum): boolean {
    return this.resources.every(name => name === 'pods' || request.get(name) === 0);
  }

  score(request: ResourceSum, info: ResourceUse): number {
    for (let i = 0; i < this.resources.length; i++) {
      const name = this.resources[i] ?? '';
      const asked = request.get(name);
      // A device that the pod does not want says nothing about the node; how many pods there are is not a matter of this.
      const counts = OWN_FIELDS.has(name) || (asked !== 0 && name !== 'pods');
      const sum = name === 'ephemeral-storage' ? info.requested : info[this.counts];
      this.allocatable[i] = counts ? info.allocatable.get(name) : 0;
      this.requested[i] = counts ? sum.get(name) + asked : 0;
    }
    return this.rule(this.requested, this.allocatable);
  }
}
