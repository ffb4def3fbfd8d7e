/**
 * How many replicas a resource metric asks for. Pure. Source: upstream `pkg/controller/podautoscaler/replica_calculator.go` and
 * `metrics/utilization.go`. Amounts are thousandths, as upstream counts them: of a core, of a byte.
 */
import type { Pod } from '../../../../proto/api/core-v1.ts';
import { findCondition } from '../../../../machinery/meta/object.ts';
import { tryParseQuantity } from '../../../../machinery/meta/quantity.ts';
import { parseTime } from '../../../../machinery/meta/time.ts';

/** What one pod uses. */
export interface PodUsage {
  readonly milli: number;
  /** Milliseconds since the epoch. */
  readonly timeMs: number;
  readonly windowMs: number;
}

/** How far from 1 the ratio may be without a change. */
export interface Tolerances {
  readonly up: number;
  readonly down: number;
}

export interface ReplicaInput {
  readonly resource: string;
  /** Of this container alone; undefined: of the whole pod. */
  readonly container: string | undefined;
  /** Percent of requests, or thousandths on average. */
  readonly target: { readonly kind: 'utilization' | 'average'; readonly value: number };
  readonly currentReplicas: number;
  /** All that the target's selector selects. */
  readonly pods: readonly Pod[];
  /** By pod name. */
  readonly usages: ReadonlyMap<string, PodUsage>;
  readonly tolerances: Tolerances;
  readonly nowMs: number;
}

export interface ReplicaProposal {
  readonly replicas: number;
  /** Percent; undefined where the target is an average. */
  readonly utilization: number | undefined;
  readonly averageMilli: number;
}

/** The metric says nothing; the message is upstream's. */
export class MetricError extends Error {
  override readonly name = 'MetricError';
}

const INITIALIZATION_MS = 5 * 60_000;
const INITIAL_READINESS_MS = 30_000;

/** @throws MetricError */
export function proposeReplicas(input: ReplicaInput): ReplicaProposal {
  const { pods, target, currentReplicas, tolerances } = input;
  if (pods.length === 0) throw new MetricError('no pods returned by selector while calculating replica count');
  const { readyCount, unready, missing, ignored } = groupPods(input);
  const usages = new Map([...input.usages].map(([name, { milli }]) => [name, milli]));
  for (const name of [...unready, ...ignored]) usages.delete(name);
  if (usages.size === 0) throw new MetricError('did not receive metrics for any targeted pods (pods might be unready)');
  const requests = target.kind === 'utilization' ? podRequests(input) : undefined;
  const first = ratioOf(usages, requests, target.value);
  const keep = { replicas: currentReplicas, utilization: first.utilization, averageMilli: first.averageMilli };
  const isClose = (ratio: number): boolean => ratio >= 1 - tolerances.down && ratio <= 1 + tolerances.up;

  const countUnready = unready.size > 0 && first.ratio > 1;
  if (!countUnready && missing.size === 0)
    return isClose(first.ratio) ? keep : { ...keep, replicas: Math.ceil(roundOff(first.ratio * readyCount)) };
  // Who is not heard of never speeds a change up: on the way down he uses all of his share, on the way up nothing.
  for (const name of missing) {
    if (first.ratio < 1) usages.set(name, assumed(name, requests, target.value));
    else if (first.ratio > 1) usages.set(name, 0);
  }
  if (countUnready) for (const name of unready) usages.set(name, 0);
  const { ratio } = ratioOf(usages, requests, target.value);
  if (isClose(ratio) || (first.ratio < 1 && ratio > 1) || (first.ratio > 1 && ratio < 1)) return keep;
  const replicas = Math.ceil(roundOff(ratio * usages.size));
  if ((ratio < 1 && replicas > currentReplicas) || (ratio > 1 && replicas < currentReplicas)) return keep;
  return { ...keep, replicas };
}

/** What is left of 3.0000000000000004 must not make a pod of its own. */
function roundOff(value: number): number {
  return Number(value.toFixed(9));
}

function assumed(name: string, requests: ReadonlyMap<string, number> | undefined, target: number): number {
  if (requests === undefined) return target;
  return Math.trunc(((requests.get(name) ?? 0) * Math.max(100, target)) / 100);
}

function ratioOf(
  usages: ReadonlyMap<string, number>,
  requests: ReadonlyMap<string, number> | undefined,
  target: number,
): { ratio: number; utilization: number | undefined; averageMilli: number } {
  let used = 0;
  let requested = 0;
  let count = 0;
  for (const [name, milli] of usages) {
    const request = requests?.get(name);
    // Metrics may be of pods that are gone.
    if (requests !== undefined && request === undefined) continue;
    used += milli;
    requested += request ?? 0;
    count++;
  }
  const averageMilli = Math.trunc(used / Math.max(1, count));
  if (requests === undefined) return { ratio: averageMilli / target, utilization: undefined, averageMilli };
  if (requested === 0) throw new MetricError('no metrics returned matched known pods');
  const utilization = Math.trunc((used * 100) / requested);
  return { ratio: utilization / target, utilization, averageMilli };
}

interface Groups {
  readyCount: number;
  unready: Set<string>;
  missing: Set<string>;
  ignored: Set<string>;
}

function groupPods({ pods, usages, resource, nowMs }: ReplicaInput): Groups {
  const groups: Groups = { readyCount: 0, unready: new Set(), missing: new Set(), ignored: new Set() };
  for (const pod of pods) {
    const { name = '', deletionTimestamp } = pod.metadata;
    const usage = usages.get(name);
    if (deletionTimestamp !== undefined || pod.status?.phase === 'Failed') groups.ignored.add(name);
    else if (pod.status?.phase === 'Pending') groups.unready.add(name);
    else if (usage === undefined) groups.missing.add(name);
    else if (resource === 'cpu' && isWarmingUp(pod, usage, nowMs)) groups.unready.add(name);
    else groups.readyCount++;
  }
  return groups;
}

/** What a pod burns while it starts says nothing of what it will use. */
function isWarmingUp({ status }: Pod, usage: PodUsage, nowMs: number): boolean {
  const ready = findCondition(status?.conditions, 'Ready');
  const startedMs = parseTime(status?.startTime ?? '');
  if (ready === undefined || startedMs === undefined) return true;
  const changedMs = parseTime(ready.lastTransitionTime ?? '') ?? 0;
  const isUnready = ready.status === 'False';
  if (startedMs + INITIALIZATION_MS > nowMs) return isUnready || usage.timeMs < changedMs + usage.windowMs;
  return isUnready && startedMs + INITIAL_READINESS_MS > changedMs;
}

/** By pod name. @throws MetricError when a container says no request */
function podRequests({ pods, container, resource }: ReplicaInput): Map<string, number> {
  return new Map(pods.map(pod => [pod.metadata.name ?? '', requestOf(pod, container, resource)]));
}

function requestOf(pod: Pod, only: string | undefined, resource: string): number {
  const ofPod = pod.spec.resources?.requests?.[resource];
  if (only === undefined && ofPod !== undefined) return tryParseQuantity(ofPod)?.milliValue() ?? 0;
  const sidecars = (pod.spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  let sum = 0;
  for (const { name, resources } of [...pod.spec.containers, ...sidecars]) {
    if (only !== undefined && name !== only) continue;
    const request = tryParseQuantity(resources?.requests?.[resource] ?? '');
    if (request === undefined)
      throw new MetricError(`missing request for ${resource} in container ${name} of Pod ${pod.metadata.name ?? ''}`);
    sum += request.milliValue();
  }
  return sum;
}
