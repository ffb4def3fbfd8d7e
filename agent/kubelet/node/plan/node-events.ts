/** What a node's events tell of its changes. Source: `pkg/kubelet/kubelet_node_status.go`, `nodestatus/setters.go` 1.36. */
import type { Node, NodeStatus } from '../../../../proto/api/core-v1.ts';

/** An event about the node. */
export interface NodeEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

/** Reasons by condition, for status True and False. */
const REASONS: Readonly<Record<string, readonly [string, string]>> = {
  MemoryPressure: ['NodeHasInsufficientMemory', 'NodeHasSufficientMemory'],
  DiskPressure: ['NodeHasDiskPressure', 'NodeHasNoDiskPressure'],
  PIDPressure: ['NodeHasInsufficientPID', 'NodeHasSufficientPID'],
  Ready: ['NodeReady', 'NodeNotReady'],
};

/** @param older what the API has, undefined for a new node */
export function statusEvents(nodeName: string, older: NodeStatus | undefined, next: NodeStatus): NodeEvent[] {
  const events: NodeEvent[] = [];
  const [was, is] = [older?.nodeInfo?.bootID ?? '', next.nodeInfo?.bootID ?? ''];
  if (was !== '' && was !== is)
    events.push({
      type: 'Warning',
      reason: 'Rebooted',
      message: `Node ${nodeName} has been rebooted, boot id: ${is}`,
    });
  for (const { type, status } of next.conditions ?? []) {
    const reasons = REASONS[type];
    const before = older?.conditions?.find(condition => condition.type === type);
    if (reasons === undefined || before?.status === status) continue;
    // That a node is not ready before it was is no news.
    if (type === 'Ready' && status !== 'True' && before === undefined) continue;
    events.push(nowIs(nodeName, reasons[status === 'True' ? 0 : 1]));
  }
  return events;
}

/** What tells that somebody cordoned the node, or took that back. */
export function schedulableEvent(older: Node, next: Node): NodeEvent | undefined {
  const [was, is] = [older.spec?.unschedulable === true, next.spec?.unschedulable === true];
  return was === is ? undefined : nowIs(next.metadata.name ?? '', is ? 'NodeNotSchedulable' : 'NodeSchedulable');
}

function nowIs(nodeName: string, reason: string): NodeEvent {
  return { type: 'Normal', reason, message: `Node ${nodeName} status is now: ${reason}` };
}
