/**
 * Events and conditions of a resize.
 * Source: kubernetes 1.36 `pkg/kubelet/events/resize.go`, `pkg/kubelet/status`: reasons and texts.
 */
import type { Container, Pod, PodCondition } from '../../../../proto/api/core-v1.ts';

/** How far a pod's resize is. */
export interface ResizeState {
  /** It has not been accepted. */
  readonly pending?: {
    readonly reason: 'Deferred' | 'Infeasible';
    readonly message: string;
    readonly generation: number;
  };
  /** It has been accepted and is not carried out yet; `error` says what keeps it. */
  readonly inProgress?: { readonly generation: number; readonly error?: string };
}

/** Types of the conditions: they are there only while there is something to tell. */
export const RESIZE_CONDITIONS: ReadonlySet<string> = new Set(['PodResizePending', 'PodResizeInProgress']);

export function resizeConditions({ pending, inProgress }: ResizeState): PodCondition[] {
  const conditions: PodCondition[] = [];
  if (pending !== undefined) {
    const { reason, message, generation } = pending;
    conditions.push({ type: 'PodResizePending', status: 'True', reason, message, observedGeneration: generation });
  }
  if (inProgress !== undefined) {
    const { generation, error } = inProgress;
    const why = error === undefined ? {} : { reason: 'Error', message: error };
    conditions.push({ type: 'PodResizeInProgress', status: 'True', ...why, observedGeneration: generation });
  }
  return conditions;
}

/** `Pod resize started: {"containers":[...],"generation":2}` */
export function resizeMessage(
  what: 'started' | 'completed' | 'error' | 'Deferred' | 'Infeasible',
  { spec }: Pod,
  generation: number,
  error?: string,
): string {
  const named = (list: readonly Container[] | undefined): object[] =>
    (list ?? []).map(({ name, resources: { limits, requests } = {} }) => ({ name, resources: { limits, requests } }));
  const summary = {
    ...((spec.initContainers ?? []).length === 0 ? {} : { initContainers: named(spec.initContainers) }),
    containers: named(spec.containers),
    generation,
    ...(error === undefined ? {} : { error }),
  };
  return `Pod resize ${what}: ${JSON.stringify(summary)}`;
}
