/** A new node takes no pods until it was seen to be ready: the node life cycle controller takes the taint away. */
import type { Node } from '../../../proto/api/core-v1.ts';
import type { AdmissionPlugin } from './admission.ts';

const NOT_READY = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' };

export const taintNodesByCondition: AdmissionPlugin = {
  name: 'TaintNodesByCondition',
  handles: (operation, { storedInfo }, subresource) =>
    operation === 'CREATE' && storedInfo.group === '' && storedInfo.resource === 'nodes' && subresource === '',
  admit({ object }) {
    const { spec = {} } = object as Node;
    const taints = spec.taints ?? [];
    if (taints.some(({ key, effect }) => key === NOT_READY.key && effect === NOT_READY.effect)) return;
    (object as Node).spec = { ...spec, taints: [...taints, { ...NOT_READY }] };
  },
};
