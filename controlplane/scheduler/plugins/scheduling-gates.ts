/** A gated pod waits until its gates are gone. Source: upstream plugin SchedulingGates. */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { Plugin } from '../framework/framework.ts';

export const schedulingGates: Plugin = {
  name: 'SchedulingGates',
  preEnqueue({ spec: { schedulingGates: gates = [] } }) {
    if (gates.length === 0) return undefined;
    return { reason: 'Scheduling is blocked due to non-empty scheduling gates', unresolvable: true };
  },
  eventsToRegister: () => [
    {
      resource: 'Pod',
      actions: ['UpdatePodSchedulingGatesEliminated'],
      hint: (pod, _older, newer) => ((newer as Pod).metadata.uid === pod.metadata.uid ? 'queue' : 'skip'),
    },
  ],
};
