import type { Pod } from '../../proto/api/core-v1.ts';

/** How important the pod is: what its class says, 0 without one. */
export function priorityOf(pod: Pod): number {
  return pod.spec.priority ?? 0;
}
