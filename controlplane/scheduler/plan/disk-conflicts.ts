/**
 * Disks of old kinds that only one pod of a node may write to. Pure. No node of k8ts mounts them; nodes of others may.
 * Source: upstream plugin VolumeRestrictions, 1.36.
 */
import type { Pod, Volume } from '../../../proto/api/core-v1.ts';

/** Whether the volume can be in another's way at all. */
export function isExclusiveDisk(volume: Volume): boolean {
  const { gcePersistentDisk, awsElasticBlockStore, rbd, iscsi } = volume;
  return [gcePersistentDisk, awsElasticBlockStore, rbd, iscsi].some(source => source !== undefined);
}

/** Whether two volumes are the same disk and one of them is written to; EBS disks are not shared even by readers. */
export function conflicts(a: Volume, b: Volume): boolean {
  const readers = (x: { readOnly?: boolean | undefined }, y: typeof x): boolean =>
    x.readOnly === true && y.readOnly === true;
  if (a.gcePersistentDisk !== undefined && b.gcePersistentDisk !== undefined)
    return (
      a.gcePersistentDisk.pdName === b.gcePersistentDisk.pdName && !readers(a.gcePersistentDisk, b.gcePersistentDisk)
    );
  if (a.awsElasticBlockStore !== undefined && b.awsElasticBlockStore !== undefined)
    return a.awsElasticBlockStore.volumeID === b.awsElasticBlockStore.volumeID;
  if (a.iscsi !== undefined && b.iscsi !== undefined) return a.iscsi.iqn === b.iscsi.iqn && !readers(a.iscsi, b.iscsi);
  if (a.rbd === undefined || b.rbd === undefined) return false;
  const monitors = new Set(a.rbd.monitors);
  const isSame =
    b.rbd.monitors.some(monitor => monitors.has(monitor)) &&
    (a.rbd.pool ?? 'rbd') === (b.rbd.pool ?? 'rbd') &&
    a.rbd.image === b.rbd.image;
  return isSame && !readers(a.rbd, b.rbd);
}

/** The pod's disks that can be in another's way. */
export function exclusiveDisksOf({ spec }: Pod): Volume[] {
  return spec.volumes === undefined ? [] : spec.volumes.filter(isExclusiveDisk);
}
