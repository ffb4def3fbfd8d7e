/** A pod that names its node fits that one alone. Source: upstream plugin NodeName. */
import type { Node } from '../../../proto/api/core-v1.ts';
import type { Plugin } from '../framework/framework.ts';

const REJECTIONS = [{ reason: "node(s) didn't match the requested node name", unresolvable: true }];

export const nodeName: Plugin = {
  name: 'NodeName',
  filter(_state, { spec: { nodeName: wanted = '' } }, info) {
    return wanted === '' || wanted === info.name ? undefined : REJECTIONS;
  },
  eventsToRegister: () => [
    {
      resource: 'Node',
      actions: ['Add'],
      hint: (pod, _older, newer) => ((newer as Node).metadata.name === pod.spec.nodeName ? 'queue' : 'skip'),
    },
  ],
};
