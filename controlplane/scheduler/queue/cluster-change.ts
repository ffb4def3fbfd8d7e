/** What happened in the cluster, in the words in which plugins ask for it. Source: upstream `pkg/scheduler/framework/events.go`. */
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import type { ActionType, EventResource } from '../framework/cluster-event.ts';
import { takesLess } from '../plan/resources.ts';

/** `older` is undefined when an object came, `newer` when it went. */
export interface ClusterChange {
  readonly resource: EventResource;
  /** Not empty. */
  readonly actions: readonly ActionType[];
  readonly older: unknown;
  readonly newer: unknown;
}

/** What of a node's change may matter to a waiting pod; nothing for a heartbeat. */
export function nodeActions(older: Node, newer: Node): ActionType[] {
  const actions: ActionType[] = [];
  if (!jsonEquals(older.status?.allocatable, newer.status?.allocatable)) actions.push('UpdateNodeAllocatable');
  if (!jsonEquals(older.metadata.labels, newer.metadata.labels)) actions.push('UpdateNodeLabel');
  const isFreed = older.spec.unschedulable === true && newer.spec.unschedulable !== true;
  if (isFreed || !jsonEquals(older.spec.taints, newer.spec.taints)) actions.push('UpdateNodeTaint');
  if (!jsonEquals(conditionsOf(older), conditionsOf(newer))) actions.push('UpdateNodeCondition');
  if (!jsonEquals(older.metadata.annotations, newer.metadata.annotations)) actions.push('UpdateNodeAnnotation');
  return actions;
}

/** What changed of a pod, waiting or with a node; `Update` if it is nothing that has a name. */
export function podActions(older: Pod, newer: Pod): ActionType[] {
  const actions: ActionType[] = [];
  if (!jsonEquals(older.metadata.labels, newer.metadata.labels)) actions.push('UpdatePodLabel');
  if (takesLess(newer, older)) actions.push('UpdatePodScaleDown');
  if (!jsonEquals(older.spec.tolerations, newer.spec.tolerations)) actions.push('UpdatePodToleration');
  const gates = (pod: Pod): number => pod.spec.schedulingGates?.length ?? 0;
  if (gates(older) > 0 && gates(newer) === 0) actions.push('UpdatePodSchedulingGatesEliminated');
  return actions.length > 0 ? actions : ['Update'];
}

/**
 * A pod goes from a node, or the room that was kept for it there is free. Hints look at its node, which a pod that was not bound yet does not name.
 */
export function podLeft(pod: Pod, nodeName: string): ClusterChange {
  const older = pod.spec.nodeName === nodeName ? pod : { ...pod, spec: { ...pod.spec, nodeName } };
  return { resource: 'Pod', actions: ['AssignedPodDelete'], older, newer: undefined };
}

/** The change under the name that upstream's metrics give it. */
export function labelOf({ resource, actions: [action = 'Update'] }: ClusterChange): string {
  return action.startsWith('Assigned') ? action : `${resource}${action}`;
}

function conditionsOf({ status }: Node): unknown {
  return (status?.conditions ?? []).map(({ type, status: value }) => [type, value]);
}
