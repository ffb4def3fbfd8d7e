/** Which volumes the pods of a node need attached to it. Pure. Source: kubernetes `pkg/controller/volume/attachdetach/cache`. */
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../../../../proto/api/core-v1.ts';
import type { CSIDriver } from '../../../../proto/api/storage-v1.ts';
import { uniqueVolumeName, volumeAttachmentName } from '../../../../machinery/meta/csi-names.ts';
import { claimNamesOf } from '../../../../machinery/meta/pod-claims.ts';

export interface WantedVolume {
  readonly volume: PersistentVolume;
  readonly driver: string;
  /** Its name on the node. */
  readonly unique: string;
  /** Of the VolumeAttachment. */
  readonly attachment: string;
  /** At least one. */
  readonly pods: readonly Pod[];
}

export interface VolumeObjects {
  claim(namespace: string, name: string): PersistentVolumeClaim | undefined;
  volume(name: string): PersistentVolume | undefined;
  driver(name: string): CSIDriver | undefined;
}

/** Whether the pod's containers may still touch its volumes. */
export function holdsVolumes({ metadata, status }: Pod): boolean {
  if (status?.phase === 'Succeeded' || status?.phase === 'Failed') return false;
  if (metadata.deletionTimestamp === undefined) return true;
  return (status?.containerStatuses ?? []).some(({ state }) => state?.running !== undefined);
}

/** In the order of their names. */
export function wantedVolumes(pods: readonly Pod[], nodeName: string, objects: VolumeObjects): WantedVolume[] {
  const wanted = new Map<string, WantedVolume & { pods: Pod[] }>();
  for (const pod of pods) {
    if (!holdsVolumes(pod)) continue;
    for (const name of claimNamesOf(pod)) {
      const claim = objects.claim(pod.metadata.namespace ?? '', name);
      const volumeName = claim?.spec.volumeName ?? '';
      if (volumeName === '' || claim?.status?.phase !== 'Bound') continue;
      const volume = objects.volume(volumeName);
      const source = volume?.spec.csi;
      if (volume === undefined || source === undefined) continue;
      if (objects.driver(source.driver)?.spec.attachRequired === false) continue;
      const unique = uniqueVolumeName(source.driver, source.volumeHandle);
      const attachment = volumeAttachmentName(source.driver, source.volumeHandle, nodeName);
      const entry = wanted.get(unique) ?? { volume, driver: source.driver, unique, attachment, pods: [] };
      entry.pods.push(pod);
      wanted.set(unique, entry);
    }
  }
  return [...wanted.values()].sort((a, b) => (a.unique < b.unique ? -1 : 1));
}
