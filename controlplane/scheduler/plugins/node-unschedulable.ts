/** Turns down cordoned nodes, unless the pod tolerates their taint. Source: upstream plugin NodeUnschedulable. */
import type { Plugin } from '../framework/framework.ts';
import { toleratesTaint } from '../../../machinery/meta/tolerations.ts';

export const nodeUnschedulable: Plugin = {
  name: 'NodeUnschedulable',
  filter(_state, pod, info) {
    if (info.node.spec.unschedulable !== true) return undefined;
    const taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };
    const tolerated = (pod.spec.tolerations ?? []).some(t => toleratesTaint(t, taint));
    return tolerated ? undefined : [{ reason: 'node(s) were unschedulable', unresolvable: true }];
  },
};
