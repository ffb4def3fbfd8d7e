/**
 * In which order pods end when their node does, and how long each may take.
 * Source: kubernetes 1.36 `pkg/kubelet/nodeshutdown/nodeshutdown_manager.go`; kubernetes.io/docs, "Node Shutdowns".
 */
import type { Pod } from '../../../../proto/api/core-v1.ts';
import { priorityOf } from '../../../../machinery/meta/pod-priority.ts';
import { durationMs, type KubeletConfiguration } from '../../config/plan/kubelet-configuration.ts';
import { CRITICAL_PRIORITY } from '../../plan/critical-pod.ts';
import type { PodVerdict } from '../../plan/pod-status.ts';

/** Pods from this priority on have so long. */
export interface ShutdownStep {
  readonly priority: number;
  readonly graceSeconds: number;
}

/** What becomes of pods. @param graceSeconds of their step */
export function shutdownVerdict(graceSeconds: number): PodVerdict {
  const message = 'Pod was terminated in response to imminent node shutdown.';
  return { reason: 'Terminated', message, graceSeconds, disruption: message };
}

/** Lowest priority first; empty when a node is to end without care for its pods. */
export function shutdownSteps(c: KubeletConfiguration): ShutdownStep[] {
  const byPriority = c.shutdownGracePeriodByPodPriority ?? [];
  if (byPriority.length > 0)
    return byPriority
      .map(({ priority, shutdownGracePeriodSeconds }) => ({ priority, graceSeconds: shutdownGracePeriodSeconds }))
      .sort((a, b) => a.priority - b.priority);
  const allSeconds = durationMs(c.shutdownGracePeriod) / 1000;
  const criticalSeconds = durationMs(c.shutdownGracePeriodCriticalPods) / 1000;
  if (allSeconds === 0) return [];
  return [
    { priority: 0, graceSeconds: Math.floor(allSeconds - criticalSeconds) },
    { priority: CRITICAL_PRIORITY, graceSeconds: Math.floor(criticalSeconds) },
  ];
}

/** The pods of each step: that of the highest priority not above theirs; who is below all belongs to the first. */
export function podsByStep(steps: readonly ShutdownStep[], pods: readonly Pod[]): Pod[][] {
  const groups = steps.map((): Pod[] => []);
  for (const pod of pods) {
    const index = steps.findLastIndex(({ priority }) => priority <= priorityOf(pod));
    groups[Math.max(0, index)]?.push(pod);
  }
  return groups;
}
