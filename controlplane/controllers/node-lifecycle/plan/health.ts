/**
 * What a node's silence and conditions mean: conditions to set and taints to have. Pure.
 * Source: upstream `pkg/controller/nodelifecycle`; kubernetes.io/docs, "Nodes".
 */
import type { Node, NodeCondition, Taint } from '../../../../proto/api/core-v1.ts';
import { findCondition } from '../../../../machinery/meta/object.ts';
import { formatTime } from '../../../../machinery/meta/time.ts';

export const NOT_READY = 'node.kubernetes.io/not-ready';
export const UNREACHABLE = 'node.kubernetes.io/unreachable';
const UNSCHEDULABLE = 'node.kubernetes.io/unschedulable';
const WATCHED = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'] as const;
/** Condition and status to the NoSchedule taint that says it. */
const CONDITION_TAINTS: readonly (readonly [type: string, status: string, key: string])[] = [
  ['Ready', 'False', NOT_READY],
  ['Ready', 'Unknown', UNREACHABLE],
  ['MemoryPressure', 'True', 'node.kubernetes.io/memory-pressure'],
  ['DiskPressure', 'True', 'node.kubernetes.io/disk-pressure'],
  ['PIDPressure', 'True', 'node.kubernetes.io/pid-pressure'],
  ['NetworkUnavailable', 'True', 'node.kubernetes.io/network-unavailable'],
];
const OWN_KEYS = new Set([...CONDITION_TAINTS.map(([, , key]) => key), UNSCHEDULABLE]);

/** The conditions of a node that went silent; undefined when they say so already. */
export function silentConditions(node: Node, nowMs: number): NodeCondition[] | undefined {
  const old = node.status?.conditions ?? [];
  const now = formatTime(nowMs);
  const next = [...old];
  let changed = false;
  for (const type of WATCHED) {
    const at = next.findIndex(condition => condition.type === type);
    const known = next[at];
    if (known?.status === 'Unknown') continue;
    changed = true;
    const lastHeartbeatTime = known?.lastHeartbeatTime ?? node.metadata.creationTimestamp;
    const told =
      known === undefined
        ? { reason: 'NodeStatusNeverUpdated', message: 'Kubelet never posted node status.' }
        : { reason: 'NodeStatusUnknown', message: 'Kubelet stopped posting node status.' };
    const condition: NodeCondition = { type, status: 'Unknown', lastHeartbeatTime, lastTransitionTime: now, ...told };
    if (at < 0) next.push(condition);
    else next[at] = condition;
  }
  return changed ? next : undefined;
}

/** Of what a node's readiness makes of its pods: `pending`, it should be tainted NoExecute, and is not yet. */
export type Eviction = 'none' | 'pending' | 'tainted';

export function evictionOf(node: Node): Eviction {
  if (evictingKey(node) === undefined) return 'none';
  const isTainted = (node.spec?.taints ?? []).some(
    ({ key, effect }) => effect === 'NoExecute' && (key === NOT_READY || key === UNREACHABLE),
  );
  return isTainted ? 'tainted' : 'pending';
}

function evictingKey(node: Node): string | undefined {
  const readiness = findCondition(node.status?.conditions, 'Ready')?.status;
  if (readiness === undefined || readiness === 'True') return undefined;
  return readiness === 'False' ? NOT_READY : UNREACHABLE;
}

/**
 * The taints the node should have; undefined when it has them. Others' taints stay.
 *
 * @param evicts whether it is to be tainted NoExecute if it is not ready; where that is so already, one such taint takes the other's place
 */
export function planTaints(node: Node, evicts: boolean, nowMs: number): Taint[] | undefined {
  const old = node.spec?.taints ?? [];
  const wanted: Taint[] = [];
  for (const [type, status, key] of CONDITION_TAINTS)
    if (findCondition(node.status?.conditions, type)?.status === status) wanted.push({ key, effect: 'NoSchedule' });
  if (node.spec?.unschedulable === true) wanted.push({ key: UNSCHEDULABLE, effect: 'NoSchedule' });
  const evictedFor = evicts ? evictingKey(node) : undefined;
  if (evictedFor !== undefined) wanted.push({ key: evictedFor, effect: 'NoExecute', timeAdded: formatTime(nowMs) });
  const same = (a: Taint, b: Taint): boolean => a.key === b.key && a.effect === b.effect;
  const isOwn = ({ key, effect }: Taint): boolean =>
    effect === 'NoSchedule' ? OWN_KEYS.has(key) : effect === 'NoExecute' && (key === NOT_READY || key === UNREACHABLE);
  const kept = old.filter(taint => !isOwn(taint) || wanted.some(w => same(w, taint)));
  const added = wanted.filter(w => !old.some(taint => same(w, taint)));
  return kept.length === old.length && added.length === 0 ? undefined : [...kept, ...added];
}

/** Ready, as the node says it: True, False or Unknown. */
export function readinessOf(node: Node): string {
  return findCondition(node.status?.conditions, 'Ready')?.status ?? 'Unknown';
}
