/**
 * `endpoints.kubernetes.io/last-change-trigger-time`: when that happened which a change of endpoints answers to. Proxies measure by it how
 * long it takes until rules follow.
 */
import type { Pod } from '../../../../proto/api/core-v1.ts';
import type { ObjectMeta } from '../../../../proto/api/meta-v1.ts';
import { TRIGGER_TIME_ANNOTATION } from '../../../../machinery/meta/endpoint-slices.ts';
import { findCondition } from '../../../../machinery/meta/object.ts';
import { parseTime } from '../../../../machinery/meta/time.ts';

/** The metadata with that time, or without any if nothing happened that it could tell of. */
export function withTriggerTime(metadata: ObjectMeta, atMs: number | undefined): ObjectMeta {
  const { annotations, ...rest } = metadata;
  const { [TRIGGER_TIME_ANNOTATION]: _, ...others } = annotations ?? {};
  const next = atMs === undefined ? others : { ...others, [TRIGGER_TIME_ANNOTATION]: timeText(atMs) };
  return Object.keys(next).length === 0 ? rest : { ...rest, annotations: next };
}

/** As Go writes it: no fraction when there is none. */
function timeText(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z');
}

/** When the pod became ready, or stopped being so. */
export function podTriggerMs(pod: Pod): number | undefined {
  const changed = findCondition(pod.status?.conditions, 'Ready')?.lastTransitionTime;
  return changed === undefined ? undefined : parseTime(changed);
}
