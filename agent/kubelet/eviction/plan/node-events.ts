/**
 * What is told of a node whose conditions change: upstream's reasons, which `kubectl describe node` shows.
 * Source: kubernetes 1.36 `pkg/kubelet/nodestatus/setters.go`, recordNodeStatusEvent.
 */
import type { PressureCondition } from './thresholds.ts';

const REASONS: Readonly<Record<PressureCondition, { readonly is: string; readonly isNot: string }>> = {
  MemoryPressure: { is: 'NodeHasInsufficientMemory', isNot: 'NodeHasSufficientMemory' },
  DiskPressure: { is: 'NodeHasDiskPressure', isNot: 'NodeHasNoDiskPressure' },
  PIDPressure: { is: 'NodeHasInsufficientPID', isNot: 'NodeHasSufficientPID' },
};

/** @param before undefined at the first look: then all three are told */
export function nodeEvents(
  node: string,
  before: readonly PressureCondition[] | undefined,
  now: readonly PressureCondition[],
): { readonly reason: string; readonly message: string }[] {
  const all = Object.keys(REASONS) as PressureCondition[];
  return all
    .filter(condition => before === undefined || before.includes(condition) !== now.includes(condition))
    .map(condition => {
      const reason = now.includes(condition) ? REASONS[condition].is : REASONS[condition].isNot;
      return { reason, message: `Node ${node} status is now: ${reason}` };
    });
}
