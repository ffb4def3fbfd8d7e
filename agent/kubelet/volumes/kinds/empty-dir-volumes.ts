/** Scratch space that lives as long as its pod, on the node's disk or in memory. Source: kubernetes.io/docs, "emptyDir". */
import { chmod, mkdir } from 'node:fs/promises';
import { parseQuantity } from '../../../../machinery/meta/quantity.ts';
import { mountTmpfs } from '../../../host/mounts.ts';
import { applyPodGroup } from '../fs-group.ts';
import { volumeFolder, type VolumeKind } from '../volume-kind.ts';

const PLUGIN = 'kubernetes.io~empty-dir';

export function emptyDirVolumes(): VolumeKind {
  return {
    plugins: [PLUGIN],
    owns: volume => volume.emptyDir !== undefined,
    async prepare(request) {
      const { medium = '', sizeLimit } = request.volume.emptyDir ?? {};
      if (medium !== '' && medium !== 'Memory')
        throw new Error(`an emptyDir on medium "${medium}" is not supported on this node`);
      const folder = volumeFolder(request, PLUGIN);
      await mkdir(folder, { recursive: true });
      if (medium === 'Memory') {
        const limit = sizeLimit === undefined ? 0 : parseQuantity(sizeLimit).value();
        await mountTmpfs(folder, { mode: 0o777, ...(limit > 0 ? { sizeBytes: limit } : {}) });
      }
      await chmod(folder, 0o777);
      await applyPodGroup(request.pod, folder);
      return { hostPath: folder, readOnly: false, selinuxRelabel: true };
    },
  };
}
