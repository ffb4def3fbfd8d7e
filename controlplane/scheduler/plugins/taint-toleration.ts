/**
 * Taints keep pods away (NoSchedule, NoExecute) or make nodes less welcome (PreferNoSchedule). Source: upstream plugin TaintToleration; in 1.36
 * its reason names no taint any more.
 */
import { toleratesTaint } from '../../../machinery/meta/tolerations.ts';
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import { normalizeByMax } from '../framework/run-plugins.ts';
import type { Plugin } from '../framework/framework.ts';
import { isKeptAway } from '../plan/node-requirements.ts';

const REJECTIONS = [{ reason: 'node(s) had untolerated taint(s)', unresolvable: true }];

export const taintToleration: Plugin = {
  name: 'TaintToleration',
  filter: (_state, pod, { isTainted, node }) => (isTainted && isKeptAway(pod, node) ? REJECTIONS : undefined),
  // Where nobody is unwelcome all nodes are as good.
  preScore: (_state, pod, nodes) =>
    nodes.some(({ isTainted, node }) => isTainted && unwelcoming(pod, node) > 0) ? undefined : 'skip',
  score: (_state, pod, { node }) => unwelcoming(pod, node),
  normalize: (_state, _pod, scores) => normalizeByMax(scores, true),
  eventsToRegister: () => [
    {
      resource: 'Node',
      actions: ['Add', 'UpdateNodeTaint'],
      hint(pod, older, newer) {
        const wasKeptAway = older === undefined || isKeptAway(pod, older as Node);
        return wasKeptAway && !isKeptAway(pod, newer as Node) ? 'queue' : 'skip';
      },
    },
    {
      resource: 'Pod',
      actions: ['UpdatePodToleration'],
      hint: (pod, _older, newer) => ((newer as Pod).metadata.uid === pod.metadata.uid ? 'queue' : 'skip'),
    },
  ],
};

/** How many taints would rather have the pod elsewhere. */
function unwelcoming({ spec: { tolerations = [] } }: Pod, { spec: { taints } }: Node): number {
  if (taints === undefined || taints.length === 0) return 0;
  return taints.filter(
    taint => taint.effect === 'PreferNoSchedule' && !tolerations.some(each => toleratesTaint(each, taint)),
  ).length;
}
