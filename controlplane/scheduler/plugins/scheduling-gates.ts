/** A gated pod waits until its gates are gone. Source: upstream plugin SchedulingGates (an answer of PreEnqueue there). */
import type { Pod } from '../../../proto/api/core-v1.ts';

/** Why the pod may not be tried yet; undefined when it may. */
export function gatedMessage(pod: Pod): string | undefined {
  const gates = pod.spec.schedulingGates ?? [];
  return gates.length === 0 ? undefined : 'Scheduling is blocked due to non-empty scheduling gates';
}
