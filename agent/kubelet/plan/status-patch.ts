/**
 * The smallest strategic patch of a pod's status. Only what the kubelet owns is in it: others' conditions and fields stay theirs.
 */
import type { Pod, PodStatus } from '../../../proto/api/core-v1.ts';
import { isKubeletCondition } from './pod-conditions.ts';
import { RESIZE_CONDITIONS } from '../allocations/plan/resize-events.ts';

/** Fields that nobody else writes, conditions apart. */
const OWNED = [
  'observedGeneration',
  'phase',
  'message',
  'reason',
  'hostIP',
  'hostIPs',
  'podIP',
  'podIPs',
  'startTime',
  'initContainerStatuses',
  'containerStatuses',
  'ephemeralContainerStatuses',
  'qosClass',
  'allocatedResources',
  'resources',
] as const;
/** Lists that a strategic patch would merge by a key; they are replaced as a whole. */
const MERGED_LISTS: ReadonlySet<string> = new Set(['hostIPs', 'podIPs']);

/**
 * What turns `applied` into `desired`; undefined when nothing does.
 * The UID in it makes the server refuse it for a namesake of the pod.
 */
export function statusPatch(pod: Pod, applied: PodStatus | undefined, desired: PodStatus): object | undefined {
  const status: Record<string, unknown> = {};
  for (const key of OWNED) {
    if (sameJson(applied?.[key], desired[key])) continue;
    const value = desired[key];
    status[key] =
      MERGED_LISTS.has(key) && Array.isArray(value) ? [...(value as object[]), { $patch: 'replace' }] : (value ?? null);
  }
  const conditions = (desired.conditions ?? []).filter(condition => {
    if (!isKubeletCondition(condition)) return false;
    return !sameJson(
      condition,
      applied?.conditions?.find(c => c.type === condition.type),
    );
  });
  const gone = (applied?.conditions ?? []).filter(
    ({ type }) => RESIZE_CONDITIONS.has(type) && !(desired.conditions ?? []).some(c => c.type === type),
  );
  // A field that is gone must be named, or the merge keeps it.
  if (conditions.length + gone.length > 0)
    status['conditions'] = [
      ...conditions.map(c => ({ ...c, reason: c.reason ?? null, message: c.message ?? null })),
      ...gone.map(({ type }) => ({ type, $patch: 'delete' })),
    ];
  if (Object.keys(status).length === 0) return undefined;
  return { metadata: { uid: pod.metadata.uid }, status };
}

/** Whether nothing differs but the generation that the status was made for. */
export function isSameButGeneration(pod: Pod, applied: PodStatus | undefined, desired: PodStatus): boolean {
  return statusPatch(pod, withoutGeneration(applied ?? {}), withoutGeneration(desired)) === undefined;
}

function withoutGeneration(status: PodStatus): PodStatus {
  const conditions = status.conditions?.map(condition => ({ ...condition, observedGeneration: undefined }));
  return { ...status, observedGeneration: undefined, conditions };
}

/** Equality as JSON would write it: fields that are undefined or null do not count, the order of keys neither. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if ((a ?? undefined) === undefined || (b ?? undefined) === undefined) return (a ?? undefined) === (b ?? undefined);
  if (typeof a !== 'object' || typeof b !== 'object') return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, index) => sameJson(item, b[index]));
  }
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  for (const key of new Set([...Object.keys(left), ...Object.keys(right)]))
    if (!sameJson(left[key], right[key])) return false;
  return true;
}
