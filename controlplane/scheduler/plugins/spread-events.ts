/** What may make a pod fit that its spread constraints kept away. Source: upstream plugin PodTopologySpread, 1.36. */
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import type { ClusterEvent } from '../framework/cluster-event.ts';
import { standsInAll, type SpreadConstraint } from '../plan/spread-constraints.ts';
import { topologyValue } from '../plan/topology.ts';

type Hint = 'queue' | 'skip';

/** @param constraintsOf those of a waiting pod that must hold */
export function spreadEvents(constraintsOf: (pod: Pod) => readonly SpreadConstraint[]): readonly ClusterEvent[] {
  return [
    {
      resource: 'Pod',
      actions: ['AssignedPodAdd', 'AssignedPodDelete', 'UpdatePodLabel', 'UpdatePodToleration'],
      hint: (pod, older, newer) => podHint(constraintsOf(pod), pod, older as Pod | undefined, newer as Pod | undefined),
    },
    {
      resource: 'Node',
      actions: ['Add', 'Delete', 'UpdateNodeLabel', 'UpdateNodeTaint'],
      hint: (pod, older, newer) => nodeHint(constraintsOf(pod), older as Node | undefined, newer as Node | undefined),
    },
  ];
}

function podHint(
  constraints: readonly SpreadConstraint[],
  pod: Pod,
  older: Pod | undefined,
  newer: Pod | undefined,
): Hint {
  const other = newer ?? older;
  if (other === undefined || !isInvolved(other, pod)) return 'skip';
  const changesCount = (selector: SpreadConstraint['selector']): boolean =>
    selector.matches(older?.metadata.labels) !== selector.matches(newer?.metadata.labels);
  if (older !== undefined && newer !== undefined) {
    const isOwn = newer.metadata.uid === pod.metadata.uid;
    const tolerates = isOwn && !jsonEquals(older.spec.tolerations, newer.spec.tolerations);
    if (tolerates && constraints.some(({ honorsTaints }) => honorsTaints)) return 'queue';
    return constraints.some(({ selector }) => changesCount(selector)) ? 'queue' : 'skip';
  }
  return constraints.some(({ selector }) => selector.matches(other.metadata.labels)) ? 'queue' : 'skip';
}

/** Pods without a node, other than the waiting one, count nowhere. */
function isInvolved(other: Pod, pod: Pod): boolean {
  if (other.metadata.uid === pod.metadata.uid) return true;
  return (other.spec.nodeName ?? '') !== '' && other.metadata.namespace === pod.metadata.namespace;
}

function nodeHint(constraints: readonly SpreadConstraint[], older: Node | undefined, newer: Node | undefined): Hint {
  const stood = older !== undefined && standsInAll(older, constraints);
  const stands = newer !== undefined && standsInAll(newer, constraints);
  if (stood !== stands) return 'queue';
  if (!stands || older === undefined || newer === undefined) return 'skip';
  const moved = constraints.some(
    ({ topologyKey }) => topologyValue(older, topologyKey) !== topologyValue(newer, topologyKey),
  );
  return moved || !jsonEquals(older.spec.taints, newer.spec.taints) ? 'queue' : 'skip';
}
