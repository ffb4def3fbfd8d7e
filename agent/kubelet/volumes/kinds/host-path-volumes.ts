/** Places of the node, in pods (`hostPath`) and by claims (`hostPath` of a persistent volume). Nothing is mounted, so nothing is taken away. */
import { prepareHostPath } from '../host-path-check.ts';
import type { VolumeKind } from '../volume-kind.ts';

export function hostPathVolumes(): VolumeKind {
  return {
    plugins: ['kubernetes.io~host-path'],
    owns: (volume, bound) => (bound === undefined ? volume : bound.volume.spec).hostPath !== undefined,
    async prepare({ volume, bound, readOnly }) {
      const source = bound === undefined ? volume.hostPath : bound.volume.spec.hostPath;
      if (source === undefined) throw new Error('the volume has no path');
      const problem = await prepareHostPath(source);
      if (problem !== undefined) throw new Error(problem);
      return { hostPath: source.path, readOnly, selinuxRelabel: false };
    },
  };
}
