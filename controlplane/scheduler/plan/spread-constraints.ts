/**
 * Topology spread constraints ready to be counted: which pods and nodes each one means. Pure.
 * Source: kubernetes.io/docs, "Pod Topology Spread Constraints"; upstream plugin PodTopologySpread.
 */
import { LabelSelector, compileLabelSelector } from '../../../machinery/meta/label-selector.ts';
import { LabelRequirement } from '../../../machinery/meta/label-requirement.ts';
import type { Node, Pod, TopologySpreadConstraint } from '../../../proto/api/core-v1.ts';
import { isKeptAway, nodeTestKey, nodeTestOf, type NodeTest } from './node-requirements.ts';
import type { Question } from './pod-index.ts';
import { labelWanted, topologyValue } from './topology.ts';

/** A constraint of one pod. */
export interface SpreadConstraint {
  readonly topologyKey: string;
  /** What happens where it does not hold. */
  readonly whenUnsatisfiable: TopologySpreadConstraint['whenUnsatisfiable'];
  readonly maxSkew: number;
  readonly minDomains: number;
  readonly selector: LabelSelector;
  readonly honorsAffinity: boolean;
  readonly honorsTaints: boolean;
}

/** Upstream's defaults for pods that say nothing, where the profile says nothing either. */
export const SYSTEM_CONSTRAINTS: readonly TopologySpreadConstraint[] = [
  { maxSkew: 3, topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'ScheduleAnyway' },
  { maxSkew: 5, topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway' },
];

/** @param selector of a default constraint, which has none itself */
export function compileConstraint(
  constraint: TopologySpreadConstraint,
  pod: Pod,
  selector: LabelSelector = ownSelector(constraint, pod),
): SpreadConstraint {
  return {
    topologyKey: constraint.topologyKey,
    whenUnsatisfiable: constraint.whenUnsatisfiable,
    maxSkew: constraint.maxSkew,
    minDomains: constraint.minDomains ?? 1,
    selector,
    honorsAffinity: (constraint.nodeAffinityPolicy ?? 'Honor') === 'Honor',
    honorsTaints: constraint.nodeTaintsPolicy === 'Honor',
  };
}

/** With what the pod's labels say for `matchLabelKeys`. */
function ownSelector({ labelSelector, matchLabelKeys = [] }: TopologySpreadConstraint, pod: Pod): LabelSelector {
  const selector = compileLabelSelector(labelSelector);
  const labels = pod.metadata.labels ?? {};
  const keys = labelSelector === undefined ? [] : matchLabelKeys.filter(key => Object.hasOwn(labels, key));
  if (keys.length === 0) return selector;
  const extra = keys.map(key => new LabelRequirement(key, 'in', [labels[key] ?? '']));
  return new LabelSelector([...selector.requirements, ...extra]);
}

/** Whether a pod of the constraint's namespace counts. An empty selector counts nobody, as upstream has it. */
export function countsPod({ selector }: SpreadConstraint, namespace: string, { metadata }: Pod): boolean {
  return (
    metadata.namespace === namespace &&
    metadata.deletionTimestamp === undefined &&
    !selector.isEmpty &&
    selector.matches(metadata.labels)
  );
}

/**
 * What is counted for one constraint of the pod: matching pods on nodes where the pod may count on being let in.
 *
 * @param neededKeys labels that a node must have to count at all
 */
export function spreadQuestion(
  constraint: SpreadConstraint,
  pod: Pod,
  neededKeys: readonly string[],
): { readonly key: string; ask(): Question } {
  const { topologyKey, selector, honorsAffinity, honorsTaints } = constraint;
  const namespace = pod.metadata.namespace ?? '';
  const { tolerations = [] } = pod.spec;
  const key = JSON.stringify([
    namespace,
    topologyKey,
    selector.isEmpty || selector.toString(),
    [...neededKeys].sort(),
    honorsAffinity ? nodeTestKey(pod) : '',
    honorsTaints ? tolerations : '',
  ]);
  const ask = (): Question => {
    const isLetIn = admission(constraint, pod);
    const others = neededKeys.filter(each => each !== topologyKey);
    return {
      topologyKey,
      label: labelWanted(selector),
      wantsEmpty: true,
      countsPod: other => countsPod(constraint, namespace, other),
      countsNode: node => others.every(each => topologyValue(node, each) !== undefined) && isLetIn(node),
    };
  };
  return { key, ask };
}

/** Whether the pod may count on being let in by a node, as far as the constraint cares. */
export function admission({ honorsAffinity, honorsTaints }: SpreadConstraint, pod: Pod): NodeTest {
  const test = honorsAffinity ? nodeTestOf(pod) : undefined;
  return node => test?.(node) !== false && !(honorsTaints && isKeptAway(pod, node));
}

/** Whether the node stands in the topology of every constraint. */
export function standsInAll(node: Node, constraints: readonly Pick<SpreadConstraint, 'topologyKey'>[]): boolean {
  for (const { topologyKey } of constraints) if (topologyValue(node, topologyKey) === undefined) return false;
  return true;
}
