/** Disks and folders of one node, by claims (`local` of a persistent volume). */
import { applyPodGroup } from '../fs-group.ts';
import { prepareHostPath } from '../host-path-check.ts';
import type { VolumeKind } from '../volume-kind.ts';

export function localVolumes(): VolumeKind {
  return {
    plugins: ['kubernetes.io~local-volume'],
    owns: (_, bound) => bound?.volume.spec.local !== undefined,
    async prepare({ pod, bound, readOnly }) {
      const path = bound?.volume.spec.local?.path ?? '';
      const problem = await prepareHostPath({ path, type: 'Directory' });
      if (problem !== undefined) throw new Error(problem);
      if (!readOnly) await applyPodGroup(pod, path);
      return { hostPath: path, readOnly, selinuxRelabel: false };
    },
  };
}
