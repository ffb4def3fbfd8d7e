/** A node's conditions: what they say, and since when. Source: `pkg/kubelet/nodestatus/setters.go` 1.36: reasons and texts. */
import type { NodeCondition } from '../../../../proto/api/core-v1.ts';
import { aggregateText } from '../../../../machinery/meta/field-error.ts';
import { rfc3339 } from '../../plan/time-format.ts';

/** What conditions are made of. */
export interface NodeHealth {
  /** Why the node is not ready, in sentences; none: it is. */
  readonly notReady: readonly string[];
  readonly pressure: { readonly memory: boolean; readonly disk: boolean; readonly pid: boolean };
}

/** The kubelet's own conditions, without times. */
export function nodeConditions({ notReady, pressure }: NodeHealth): NodeCondition[] {
  const condition = (type: string, is: boolean, yes: [string, string], no: [string, string]): NodeCondition => {
    const [reason, message] = is ? yes : no;
    return { type, status: is ? 'True' : 'False', reason, message: `kubelet ${message}` };
  };
  return [
    condition(
      'MemoryPressure',
      pressure.memory,
      ['KubeletHasInsufficientMemory', 'has insufficient memory available'],
      ['KubeletHasSufficientMemory', 'has sufficient memory available'],
    ),
    condition(
      'DiskPressure',
      pressure.disk,
      ['KubeletHasDiskPressure', 'has disk pressure'],
      ['KubeletHasNoDiskPressure', 'has no disk pressure'],
    ),
    condition(
      'PIDPressure',
      pressure.pid,
      ['KubeletHasInsufficientPID', 'has insufficient PID available'],
      ['KubeletHasSufficientPID', 'has sufficient PID available'],
    ),
    notReady.length === 0
      ? { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' }
      : { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message: aggregateText(notReady) },
  ];
}

/** `ours` with their times, behind the conditions of others. */
export function mergeNodeConditions(
  older: readonly NodeCondition[] | undefined,
  ours: readonly NodeCondition[],
  nowMs: number,
): NodeCondition[] {
  const now = rfc3339(nowMs);
  const merged = ours.map(condition => {
    const old = older?.find(c => c.type === condition.type);
    const since = old !== undefined && old.status === condition.status ? (old.lastTransitionTime ?? now) : now;
    return { ...condition, lastHeartbeatTime: now, lastTransitionTime: since };
  });
  return [...(older ?? []).filter(old => !ours.some(c => c.type === old.type)), ...merged];
}
