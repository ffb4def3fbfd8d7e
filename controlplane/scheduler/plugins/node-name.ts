/** A pod that names its node fits that one alone. Source: upstream plugin NodeName. */
import type { Plugin } from '../framework/framework.ts';

export const nodeName: Plugin = {
  name: 'NodeName',
  filter(_state, pod, info) {
    const wanted = pod.spec.nodeName ?? '';
    if (wanted === '' || wanted === info.name) return undefined;
    return [{ reason: "node(s) didn't match the requested node name", unresolvable: true }];
  },
};
