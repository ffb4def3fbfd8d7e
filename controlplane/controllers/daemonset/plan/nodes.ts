/**
 * Which nodes a DaemonSet's pod belongs on, and what that pod looks like. Pure.
 * Source: upstream `pkg/controller/daemon`; kubernetes.io/docs, "DaemonSet".
 */
import type { DaemonSet } from '../../../../proto/api/apps-v1.ts';
import type { Node, Pod, Toleration } from '../../../../proto/api/core-v1.ts';
import { nodeMatchesPod } from '../../../../machinery/meta/node-selector.ts';
import { untoleratedTaint } from '../../../../machinery/meta/tolerations.ts';
import { podFromTemplate } from '../../runtime/plan/pod-from-template.ts';
import { REVISION_LABEL } from '../../runtime/plan/revisions.ts';

const DAEMON_SET = { group: 'apps', version: 'v1', kind: 'DaemonSet' };
const NODE = 'node.kubernetes.io';

/** A daemon stays through what makes other pods leave. */
const TOLERATIONS: readonly Toleration[] = [
  { key: `${NODE}/not-ready`, operator: 'Exists', effect: 'NoExecute' },
  { key: `${NODE}/unreachable`, operator: 'Exists', effect: 'NoExecute' },
  { key: `${NODE}/disk-pressure`, operator: 'Exists', effect: 'NoSchedule' },
  { key: `${NODE}/memory-pressure`, operator: 'Exists', effect: 'NoSchedule' },
  { key: `${NODE}/pid-pressure`, operator: 'Exists', effect: 'NoSchedule' },
  { key: `${NODE}/unschedulable`, operator: 'Exists', effect: 'NoSchedule' },
];
const HOST_NETWORK_TOLERATION: Toleration = {
  key: `${NODE}/network-unavailable`,
  operator: 'Exists',
  effect: 'NoSchedule',
};

export interface NodeFit {
  /** A pod should be made there. */
  shouldRun: boolean;
  /** One that is there may stay. */
  shouldContinue: boolean;
}

/** @param pod as `podTemplateOf` makes it */
export function fitOf(pod: Pod, node: Node): NodeFit {
  const { nodeName = '' } = pod.spec;
  if ((nodeName !== '' && nodeName !== node.metadata.name) || !nodeMatchesPod(pod, node)) {
    return { shouldRun: false, shouldContinue: false };
  }
  const taints = node.spec?.taints ?? [];
  const tolerations = pod.spec.tolerations ?? [];
  if (untoleratedTaint(taints, tolerations, ['NoExecute', 'NoSchedule']) === undefined) {
    return { shouldRun: true, shouldContinue: true };
  }
  return { shouldRun: false, shouldContinue: untoleratedTaint(taints, tolerations, ['NoExecute']) === undefined };
}

/** The node that the pod is on, or is meant for. */
export function targetNode(pod: Pod): string {
  if ((pod.spec.nodeName ?? '') !== '') return pod.spec.nodeName ?? '';
  const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const fields = required?.nodeSelectorTerms.flatMap(term => term.matchFields ?? []) ?? [];
  return fields.find(field => field.key === 'metadata.name')?.values?.[0] ?? '';
}

/** The pod for one node; the scheduler binds it there and nowhere else. */
export function daemonPod(set: DaemonSet, nodeName: string, hash: string): Pod {
  const pod = podTemplateOf(set);
  const labels = { ...pod.metadata.labels, [REVISION_LABEL]: hash };
  const only = { key: 'metadata.name', operator: 'In', values: [nodeName] };
  const nodeAffinity = {
    ...pod.spec.affinity?.nodeAffinity,
    requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields: [only] }] },
  };
  const { nodeName: _, ...spec } = pod.spec;
  return {
    ...pod,
    metadata: { ...pod.metadata, labels },
    spec: { ...spec, affinity: { ...spec.affinity, nodeAffinity } },
  };
}

/** The set's pod before it is meant for a node. */
export function podTemplateOf(set: DaemonSet): Pod {
  const pod = podFromTemplate(set.spec.template, set, DAEMON_SET);
  const own = pod.spec.tolerations ?? [];
  const added = pod.spec.hostNetwork === true ? [...TOLERATIONS, HOST_NETWORK_TOLERATION] : TOLERATIONS;
  const missing = added.filter(
    toleration => !own.some(t => t.key === toleration.key && t.effect === toleration.effect && t.operator === 'Exists'),
  );
  return { ...pod, spec: { ...pod.spec, tolerations: [...own, ...missing] } };
}
