/**
 * What of a node's status the kubelet has to write: only what it owns, and of that what differs. What others wrote stays theirs.
 */
import type { NodeStatus } from '../../../../proto/api/core-v1.ts';
import { sameJson } from '../../plan/status-patch.ts';

/** Fields that are the kubelet's; what it no longer says goes. */
const OWNED = [
  'daemonEndpoints',
  'nodeInfo',
  'images',
  'runtimeHandlers',
  'features',
  'volumesInUse',
] as const satisfies readonly (keyof NodeStatus)[];
const AMOUNTS = ['capacity', 'allocatable'] as const;

/**
 * The strategic patch that turns `older` into `next`; undefined when nothing but the time differs.
 *
 * @param isDue the node must be heard of even if nothing differs
 */
export function nodeStatusPatch(older: NodeStatus | undefined, next: NodeStatus, isDue: boolean): object | undefined {
  const status: Record<string, unknown> = {};
  for (const key of OWNED) {
    if (sameJson(older?.[key], next[key])) continue;
    status[key] = key === 'nodeInfo' ? { swap: null, ...next.nodeInfo } : (next[key] ?? null);
  }
  for (const key of AMOUNTS) {
    const changes = amountChanges(older?.[key] ?? {}, next[key] ?? {});
    if (Object.keys(changes).length > 0) status[key] = changes;
  }
  if (!sameJson(older?.addresses, next.addresses))
    status['addresses'] = [...(next.addresses ?? []), { $patch: 'replace' }];
  const conditions = (next.conditions ?? []).filter(condition => {
    const { lastHeartbeatTime: _, ...said } = condition;
    const { lastHeartbeatTime: before, ...was } = older?.conditions?.find(c => c.type === condition.type) ?? {};
    // Conditions of others come with the time that they had.
    return !sameJson(was, said) || (isDue && before !== condition.lastHeartbeatTime);
  });
  if (conditions.length > 0) status['conditions'] = conditions;
  return Object.keys(status).length === 0 ? undefined : { status };
}

function amountChanges(
  older: Readonly<Record<string, string>>,
  next: Readonly<Record<string, string>>,
): Record<string, string | null> {
  const changes: Record<string, string | null> = {};
  for (const name of Object.keys(older)) if (next[name] === undefined) changes[name] = null;
  for (const [name, amount] of Object.entries(next)) if (older[name] !== amount) changes[name] = amount;
  return changes;
}
