/** Taints keep pods away (NoSchedule, NoExecute) or make nodes less welcome (PreferNoSchedule). Source: upstream plugin TaintToleration. */
import type { Plugin } from '../framework/framework.ts';
import { normalizeByMax } from '../framework/run-plugins.ts';
import { toleratesTaint, untoleratedTaint } from '../../../machinery/meta/tolerations.ts';

export const taintToleration: Plugin = {
  name: 'TaintToleration',
  filter(_state, pod, info) {
    const taint = untoleratedTaint(info.node.spec.taints ?? [], pod.spec.tolerations ?? [], [
      'NoSchedule',
      'NoExecute',
    ]);
    if (taint === undefined) return undefined;
    return [{ reason: `node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`, unresolvable: true }];
  },
  score(_state, pod, info) {
    const tolerations = pod.spec.tolerations ?? [];
    return (info.node.spec.taints ?? []).filter(
      taint => taint.effect === 'PreferNoSchedule' && !tolerations.some(t => toleratesTaint(t, taint)),
    ).length;
  },
  normalize: (_state, _pod, scores) => normalizeByMax(scores, true),
};
