/**
 * A pod stays on a node that is not ready or out of reach for five minutes unless it says otherwise.
 */
import type { Pod, Toleration } from '../../../proto/api/core-v1.ts';
import type { AdmissionPlugin } from './admission.ts';

const SECONDS = 300;
const TAINTS = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];

export const defaultTolerationSeconds: AdmissionPlugin = {
  name: 'DefaultTolerationSeconds',
  handles: (operation, { storedInfo }, subresource) =>
    (operation === 'CREATE' || operation === 'UPDATE') &&
    storedInfo.group === '' &&
    storedInfo.resource === 'pods' &&
    subresource === '',
  admit({ object }) {
    const { spec } = object as Pod;
    if (spec === undefined) return;
    const missing = TAINTS.filter(taint => !(spec.tolerations ?? []).some(t => tolerates(t, taint)));
    if (missing.length === 0) return;
    const added = missing.map((key): Toleration => ({
      key,
      operator: 'Exists',
      effect: 'NoExecute',
      tolerationSeconds: SECONDS,
    }));
    spec.tolerations = [...(spec.tolerations ?? []), ...added];
  },
};

function tolerates({ key, effect }: Toleration, taint: string): boolean {
  return (
    (key === undefined || key === '' || key === taint) &&
    (effect === undefined || effect === '' || effect === 'NoExecute')
  );
}
