/** What a pod may do with a persistent volume. Pure; the texts are upstream's. */
import type { PersistentVolumeSpec, Pod } from '../../../../proto/api/core-v1.ts';

/** How the containers of a pod use one of its volumes. */
export function usesOf({ spec }: Pod, name: string): { readonly asDevice: boolean; readonly asFiles: boolean } {
  const containers = [...spec.containers, ...(spec.initContainers ?? [])];
  return {
    asDevice: containers.some(({ volumeDevices }) => (volumeDevices ?? []).some(device => device.name === name)),
    asFiles: containers.some(({ volumeMounts }) => (volumeMounts ?? []).some(mount => mount.name === name)),
  };
}

/** Why the volume's mode is not what the containers want; undefined: it is. */
export function modeProblem(pod: Pod, name: string, { volumeMode }: PersistentVolumeSpec): string | undefined {
  const { asDevice, asFiles } = usesOf(pod, name);
  if (volumeMode === 'Block' && asFiles) return `volume ${name} has volumeMode Block, but is specified in volumeMounts`;
  if (volumeMode !== 'Block' && asDevice)
    return `volume ${name} has volumeMode Filesystem, but is specified in volumeDevices`;
  return undefined;
}

/** Whether one pod alone may have the volume. With other modes besides, nobody knows which one the pod means. */
export function isForOnePod({ accessModes = [] }: PersistentVolumeSpec): boolean {
  return accessModes.length === 1 && accessModes[0] === 'ReadWriteOncePod';
}
