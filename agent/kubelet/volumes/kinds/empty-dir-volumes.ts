/** Scratch space that lives as long as its pod, on the node's disk or in memory. Source: kubernetes.io/docs, "emptyDir". */
import { chmod, mkdir, rename, stat } from 'node:fs/promises';
import type { ResourceAmounts } from '../../../../machinery/meta/pod-resources.ts';
import { parseQuantity } from '../../../../machinery/meta/quantity.ts';
import { readFilesystemUsage } from '../../../host/disk-usage.ts';
import { giveToGroup } from '../../../host/files/give-to-group.ts';
import { makeShared, mountHugepages, mountTmpfs } from '../../../host/mounts.ts';
import { hugePageSize, memoryVolumeBytes } from '../plan/empty-dir-medium.ts';
import { volumeFolder, type VolumeKind, type VolumeRequest } from '../volume-kind.ts';

const PLUGIN = 'kubernetes.io~empty-dir';

/** @param allocatable the node's */
export function emptyDirVolumes(allocatable: () => ResourceAmounts): VolumeKind {
  const mount = async ({ pod, volume }: VolumeRequest, folder: string): Promise<void> => {
    const { medium = '', sizeLimit } = volume.emptyDir ?? {};
    if (medium === 'Memory') {
      const sizeBytes = memoryVolumeBytes(pod, sizeLimit, allocatable());
      await mountTmpfs(folder, { mode: 0o777, ...(sizeBytes === undefined ? {} : { sizeBytes }) });
    } else if (medium === 'HugePages' || medium.startsWith('HugePages-')) {
      await mountHugepages(folder, parseQuantity(hugePageSize(pod, medium)).value());
    } else if (medium !== '') throw new Error(`unknown storage medium "${medium}"`);
  };
  return {
    plugins: [PLUGIN],
    owns: volume => volume.emptyDir !== undefined,
    async prepare(request) {
      const folder = volumeFolder(request, PLUGIN);
      await makeFolder(folder);
      await mount(request, folder);
      const { fsGroup } = request.pod.spec.securityContext ?? {};
      // Nothing is in it when it is made; later its content is the pod's own affair.
      if (fsGroup !== undefined) await giveToGroup(folder, fsGroup, { policy: 'Root' });
      if (isPropagated(request)) await makeShared(folder);
      return { hostPath: folder, readOnly: false, selinuxRelabel: true };
    },
    async usage({ volume }, { hostPath }) {
      return (volume.emptyDir?.medium ?? '') === '' ? undefined : readFilesystemUsage(hostPath);
    },
  };
}

/** Open to all from its first moment, whatever our umask; what the pod made of the mode later stays. */
async function makeFolder(folder: string): Promise<void> {
  if ((await stat(folder).catch(() => undefined)) !== undefined) return;
  const unfinished = `${folder}~new`;
  await mkdir(unfinished, { recursive: true });
  await chmod(unfinished, 0o777);
  await rename(unfinished, folder);
}

/** What is mounted inside reaches others only if the folder is a shared mount. */
function isPropagated({ pod, volume }: VolumeRequest): boolean {
  return [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].some(({ volumeMounts }) =>
    (volumeMounts ?? []).some(
      ({ name, mountPropagation = 'None' }) => name === volume.name && mountPropagation !== 'None',
    ),
  );
}
