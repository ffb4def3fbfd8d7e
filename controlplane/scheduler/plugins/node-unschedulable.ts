/** Turns down cordoned nodes, unless the pod tolerates their taint. Source: upstream plugin NodeUnschedulable. */
import { toleratesTaint } from '../../../machinery/meta/tolerations.ts';
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import type { Plugin } from '../framework/framework.ts';

const TAINT = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };
const REJECTIONS = [{ reason: 'node(s) were unschedulable', unresolvable: true }];

export const nodeUnschedulable: Plugin = {
  name: 'NodeUnschedulable',
  filter(_state, pod, info) {
    return !info.isTainted || info.node.spec.unschedulable !== true || tolerates(pod) ? undefined : REJECTIONS;
  },
  eventsToRegister: () => [
    {
      resource: 'Node',
      // A node that is cordoned or not any more counts as one whose taints changed.
      actions: ['Add', 'UpdateNodeTaint'],
      hint: (_pod, older, newer) => {
        const wasOpen = older !== undefined && (older as Node).spec.unschedulable !== true;
        return !wasOpen && (newer as Node).spec.unschedulable !== true ? 'queue' : 'skip';
      },
    },
    {
      resource: 'Pod',
      actions: ['UpdatePodToleration'],
      hint: (pod, _older, newer) =>
        (newer as Pod).metadata.uid === pod.metadata.uid && tolerates(newer as Pod) ? 'queue' : 'skip',
    },
  ],
};

function tolerates({ spec: { tolerations = [] } }: Pod): boolean {
  return tolerations.some(toleration => toleratesTaint(toleration, TAINT));
}
