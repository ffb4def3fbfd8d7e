/** nodeSelector, required and preferred node affinity. Source: upstream plugin NodeAffinity. */
import type { Plugin } from '../framework/framework.ts';
import { normalizeByMax } from '../framework/run-plugins.ts';
import { matchesNodeSelectorTerm, nodeMatchesPod } from '../../../machinery/meta/node-selector.ts';

export const nodeAffinity: Plugin = {
  name: 'NodeAffinity',
  filter(_state, pod, info) {
    if (nodeMatchesPod(pod, info.node)) return undefined;
    return [{ reason: "node(s) didn't match Pod's node affinity/selector", unresolvable: true }];
  },
  score(_state, pod, info) {
    const preferred = pod.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    let sum = 0;
    for (const { preference, weight } of preferred) if (matchesNodeSelectorTerm(preference, info.node)) sum += weight;
    return sum;
  },
  normalize: (_state, _pod, scores) => normalizeByMax(scores),
};
