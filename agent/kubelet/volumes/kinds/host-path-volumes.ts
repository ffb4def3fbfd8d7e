/** Places of the node, in pods (`hostPath`) and by claims (`hostPath` of a persistent volume). Nothing is mounted, so nothing is taken away. */
import type { GuardedFiles } from '../../../host/files/guarded-files.ts';
import { checkAnswers } from '../check-answers.ts';
import { VolumeError } from '../volume-manager.ts';
import { volumeName, type VolumeKind } from '../volume-kind.ts';

export function hostPathVolumes(files: GuardedFiles): VolumeKind {
  return {
    plugins: ['kubernetes.io~host-path'],
    owns: (volume, bound) => (bound === undefined ? volume : bound.volume.spec).hostPath !== undefined,
    async prepare(request, signal) {
      const { volume, bound, readOnly } = request;
      const { path, type = '' } = (bound === undefined ? volume : bound.volume.spec).hostPath ?? { path: '' };
      if ((bound?.volume.spec.mountOptions ?? []).length > 0) {
        const message = `Mount options are not supported for this volume type: hostPath of persistentvolume "${volumeName(request)}"`;
        throw new VolumeError(volume.name, message, { reason: 'UnsupportedMountOption' });
      }
      // Also without a type: a file system that hangs must stop here, not the runtime.
      const problem = await files.run('checkPath', { path, type }, { signal });
      if (problem !== '') throw new Error(problem);
      return { hostPath: path, readOnly, selinuxRelabel: false };
    },
    check: (_, prepared, signal) => checkAnswers(files, prepared, signal),
  };
}
