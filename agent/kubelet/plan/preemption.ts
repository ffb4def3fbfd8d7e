/**
 * Which pods end so that a critical one fits: no more than needed, the best served last, those nearest to what is missing first.
 * Source: kubernetes 1.36 `pkg/kubelet/preemption/preemption.go`.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import { podRequests, qosClassOf } from '../../../machinery/meta/pod-resources.ts';
import { Quantity } from '../../../machinery/meta/quantity.ts';
import { isCriticalPod } from './critical-pod.ts';
import type { PodVerdict } from './pod-status.ts';

/** So much of a resource is missing: thousandths of processors, bytes, pieces. */
export interface Shortage {
  readonly resource: string;
  readonly amount: number;
}

/** What becomes of a pod that makes room. */
export const PREEMPTED: PodVerdict = {
  reason: 'Preempting',
  message: 'Preempted in order to admit critical pod',
  disruption: 'Pod was preempted by Kubelet to accommodate a critical pod.',
};

/** An amount in the units of shortages. */
export function unitsOf(resource: string, amount: Quantity): number {
  return resource === 'cpu' ? amount.milliValue() : amount.value();
}

/** The shortages as upstream writes them. */
export function describeShortages(shortages: readonly Shortage[]): string {
  return `[${shortages.map(({ resource, amount }) => `(res: ${resource}, q: ${amount}), `).join('')}]`;
}

/** @returns undefined when no set of them would do */
export function podsToPreempt(pod: Pod, others: readonly Pod[], shortages: readonly Shortage[]): Pod[] | undefined {
  const lesser = others.filter(other => mayPreempt(pod, other));
  const [bestEffort, burstable, guaranteed] = ['BestEffort', 'Burstable', 'Guaranteed'].map(qos =>
    lesser.filter(other => qosClassOf(other) === qos),
  ) as [Pod[], Pod[], Pod[]];
  if (left(shortages, lesser).length > 0) return undefined;
  // Each class gives only what those below it cannot.
  const fromGuaranteed = nearest(guaranteed, left(shortages, [...bestEffort, ...burstable]));
  const fromBurstable = nearest(burstable, left(shortages, [...bestEffort, ...fromGuaranteed]));
  const fromBestEffort = nearest(bestEffort, left(shortages, [...fromBurstable, ...fromGuaranteed]));
  return [...fromBestEffort, ...fromBurstable, ...fromGuaranteed];
}

function mayPreempt(pod: Pod, other: Pod): boolean {
  if (isCriticalPod(pod) && !isCriticalPod(other)) return true;
  const [mine, theirs] = [pod.spec.priority, other.spec.priority];
  return mine !== undefined && theirs !== undefined && mine > theirs;
}

/** What is still missing once `pods` have ended. */
function left(shortages: readonly Shortage[], pods: readonly Pod[]): Shortage[] {
  return shortages
    .map(({ resource, amount }) => ({
      resource,
      amount: pods.reduce((missing, pod) => missing - requestOf(pod, resource), amount),
    }))
    .filter(({ amount }) => amount > 0);
}

/** Pods that cover the shortages, few of them: each time the one that leaves least, of equal ones the smaller. */
function nearest(candidates: readonly Pod[], shortages: readonly Shortage[]): Pod[] {
  const pods = [...candidates];
  const chosen: Pod[] = [];
  for (let missing = [...shortages]; missing.length > 0 && pods.length > 0; missing = left(missing, chosen.slice(-1))) {
    const ranked = pods.map(pod => ({ pod, distance: distanceOf(pod, missing) }));
    const best = ranked.reduce((a, b) =>
      b.distance < a.distance || (b.distance === a.distance && isSmaller(b.pod, a.pod)) ? b : a,
    );
    chosen.push(best.pod);
    pods.splice(pods.indexOf(best.pod), 1);
  }
  return chosen;
}

/** How much of each shortage the pod would leave, as parts of the whole, squared. */
function distanceOf(pod: Pod, shortages: readonly Shortage[]): number {
  return shortages.reduce((sum, { resource, amount }) => {
    const rest = Math.max(0, amount - requestOf(pod, resource));
    return sum + (rest / amount) ** 2;
  }, 0);
}

function isSmaller(a: Pod, b: Pod): boolean {
  const differs = ['memory', 'cpu'].find(resource => requestOf(a, resource) !== requestOf(b, resource));
  return differs !== undefined && requestOf(a, differs) < requestOf(b, differs);
}

function requestOf(pod: Pod, resource: string): number {
  if (resource === 'pods') return 1;
  return unitsOf(resource, podRequests(pod).get(resource) ?? Quantity.zero);
}
