/**
 * Whether a node that is short of something takes a pod.
 * Source: kubernetes 1.36 `pkg/kubelet/eviction/eviction_manager.go`, Admit.
 */
import type { Pod } from '../../../../proto/api/core-v1.ts';
import { qosClassOf } from '../../../../machinery/meta/pod-resources.ts';
import { toleratesTaint } from '../../../../machinery/meta/tolerations.ts';
import { isCriticalPod } from '../../plan/critical-pod.ts';
import type { PodVerdict } from '../../plan/pod-status.ts';
import { EVICTED } from './messages.ts';
import type { PressureCondition } from './thresholds.ts';

const MEMORY_TAINT = { key: 'node.kubernetes.io/memory-pressure', effect: 'NoSchedule' } as const;

/** Short of memory alone, the node still takes pods that say how much they need. */
export function admitUnderPressure(pod: Pod, conditions: readonly PressureCondition[]): PodVerdict | undefined {
  if (conditions.length === 0 || isCriticalPod(pod)) return undefined;
  if (conditions.length === 1 && conditions[0] === 'MemoryPressure') {
    if (qosClassOf(pod) !== 'BestEffort') return undefined;
    if ((pod.spec.tolerations ?? []).some(toleration => toleratesTaint(toleration, MEMORY_TAINT))) return undefined;
  }
  return { reason: EVICTED, message: `Pod was rejected: The node had condition: [${conditions.join(' ')}]. ` };
}
