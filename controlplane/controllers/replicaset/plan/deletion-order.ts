/**
 * Which pods go first when a set has too many. Pure.
 * Source: upstream `ActivePodsWithRanks` in `pkg/controller/controller_utils.go`; kubernetes.io/docs, "ReplicaSet", pod deletion cost.
 */
import type { ContainerStatus, Pod } from '../../../../proto/api/core-v1.ts';
import { parseTime } from '../../../../machinery/meta/time.ts';
import { isPodActive, isPodReady, readySinceMs } from '../../runtime/plan/pod-state.ts';

const DELETION_COST = 'controller.kubernetes.io/pod-deletion-cost';
const PHASES: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

interface Ranked {
  pod: Pod;
  /** Compared from left to right; the smaller goes first. */
  keys: readonly number[];
  restarts: readonly number[];
  readyMs: number | undefined;
  createdMs: number;
}

/**
 * The pods that are least missed first: without a node, pending, not ready, cheap to delete, on one node with many others, young.
 *
 * @param related active pods among these count as being on one node with others
 */
export function inDeletionOrder(pods: readonly Pod[], related: readonly Pod[], nowMs: number): Pod[] {
  const onNode = new Map<string, number>();
  for (const pod of related) {
    if (!isPodActive(pod)) continue;
    const node = pod.spec.nodeName ?? '';
    onNode.set(node, (onNode.get(node) ?? 0) + 1);
  }
  const ranked = pods.map(pod => rank(pod, onNode.get(pod.spec.nodeName ?? '') ?? 0));
  return ranked.sort((a, b) => compare(a, b, nowMs)).map(({ pod }) => pod);
}

function rank(pod: Pod, sameNode: number): Ranked {
  const cost = Number(pod.metadata.annotations?.[DELETION_COST] ?? 0);
  const hasNode = (pod.spec.nodeName ?? '') !== '';
  return {
    pod,
    keys: [
      hasNode ? 1 : 0,
      PHASES[pod.status?.phase ?? ''] ?? 0,
      isPodReady(pod) ? 1 : 0,
      Number.isFinite(cost) ? cost : 0,
      -sameNode,
    ],
    restarts: [-mostRestarts(pod.status?.containerStatuses), -sidecarRestarts(pod)],
    readyMs: isPodReady(pod) ? readySinceMs(pod) : undefined,
    createdMs: parseTime(pod.metadata.creationTimestamp ?? '') ?? Infinity,
  };
}

function compare(a: Ranked, b: Ranked, nowMs: number): number {
  return (
    compareLists(a.keys, b.keys) ||
    (isPodReady(a.pod) ? compareAges(a, b, a.readyMs ?? Infinity, b.readyMs ?? Infinity, nowMs) : 0) ||
    compareLists(a.restarts, b.restarts) ||
    compareAges(a, b, a.createdMs, b.createdMs, nowMs)
  );
}

/**
 * The younger goes first, by orders of magnitude of two alone: of pods that are about as old, it shall not always be the youngest. Which one
 * it is then, the uid says.
 */
function compareAges(a: Ranked, b: Ranked, fromA: number, fromB: number, nowMs: number): number {
  if (fromA === fromB) return 0;
  const difference = magnitude(nowMs - fromA) - magnitude(nowMs - fromB);
  if (difference !== 0) return difference;
  return (a.pod.metadata.uid ?? '') < (b.pod.metadata.uid ?? '') ? -1 : 1;
}

/** @param ageMs -Infinity: nobody knows since when, which counts as just now */
function magnitude(ageMs: number): number {
  // In nanoseconds, as upstream: so the boundaries lie where they lie there.
  return ageMs > 0 ? Math.floor(Math.log2(ageMs * 1_000_000)) : -1;
}

function mostRestarts(statuses: readonly ContainerStatus[] = []): number {
  return Math.max(0, ...statuses.map(status => status.restartCount ?? 0));
}

function sidecarRestarts({ spec, status }: Pod): number {
  const sidecars = new Set((spec.initContainers ?? []).filter(c => c.restartPolicy === 'Always').map(c => c.name));
  return mostRestarts(status?.initContainerStatuses?.filter(({ name }) => sidecars.has(name)));
}

function compareLists(a: readonly number[], b: readonly number[]): number {
  for (const [i, value] of a.entries()) {
    const difference = value - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
