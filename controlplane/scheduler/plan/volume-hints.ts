/** What of changes to claims, volumes and drivers may help a pod that volumes keep waiting. Pure. Source: upstream's queueing hints, 1.36. */
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod } from '../../../proto/api/core-v1.ts';
import type { CSIDriver, CSIStorageCapacity, StorageClass } from '../../../proto/api/storage-v1.ts';
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import { localPathRootOf } from '../../../machinery/meta/local-path.ts';
import { claimNamesOf } from '../../../machinery/meta/pod-claims.ts';
import { volumeLimit } from './storage-capacity.ts';

type Hint = 'queue' | 'skip';

/** A claim that the pod uses. */
export function ownClaimHint(pod: Pod, older: unknown, newer: unknown): Hint {
  const { metadata } = (newer ?? older) as PersistentVolumeClaim;
  const isOurs = metadata.namespace === pod.metadata.namespace && claimNamesOf(pod).includes(metadata.name ?? '');
  return isOurs ? 'queue' : 'skip';
}

/** A pod that had claims: volumes may have been set aside for it. */
export function claimUserHint(_pod: Pod, older: unknown): Hint {
  return claimNamesOf(older as Pod).length > 0 ? 'queue' : 'skip';
}

/** A pod that used one of the claims. */
export function sharedClaimHint(pod: Pod, older: unknown): Hint {
  const { metadata, spec } = older as Pod;
  if ((spec.volumes ?? []).length === 0 || metadata.namespace !== pod.metadata.namespace) return 'skip';
  const ours = claimNamesOf(pod);
  return claimNamesOf(older as Pod).some(name => ours.includes(name)) ? 'queue' : 'skip';
}

/** A class that is new, or reaches other nodes. */
export function storageClassHint(_pod: Pod, older: unknown, newer: unknown): Hint {
  if (older === undefined || newer === undefined) return 'queue';
  const topologies = (object: unknown): unknown => (object as StorageClass).allowedTopologies ?? [];
  return jsonEquals(topologies(older), topologies(newer)) ? 'skip' : 'queue';
}

/** A node that takes local-path volumes by now. */
export function localPathHint(_pod: Pod, older: unknown, newer: unknown): Hint {
  return localPathRootOf(older as Node) === undefined && localPathRootOf(newer as Node) !== undefined
    ? 'queue'
    : 'skip';
}

/** Storage with room for larger volumes than before. */
export function storageCapacityHint(_pod: Pod, older: unknown, newer: unknown): Hint {
  if (older === undefined || newer === undefined) return 'queue';
  const [before, now] = [volumeLimit(older as CSIStorageCapacity), volumeLimit(newer as CSIStorageCapacity)];
  return now !== undefined && (before === undefined || now.compare(before) > 0) ? 'queue' : 'skip';
}

/** A driver whose storage is not looked at any more. */
export function csiDriverHint(_pod: Pod, older: unknown, newer: unknown): Hint {
  const looks = (object: unknown): boolean => (object as CSIDriver | undefined)?.spec.storageCapacity === true;
  return older !== undefined && looks(older) && !looks(newer) ? 'queue' : 'skip';
}

/** A volume that is new, or lies in another zone. */
export function volumeLabelsHint(_pod: Pod, older: unknown, newer: unknown): Hint {
  if (older === undefined || newer === undefined) return 'queue';
  const labels = (object: unknown): unknown => (object as PersistentVolume).metadata.labels ?? {};
  return jsonEquals(labels(older), labels(newer)) ? 'skip' : 'queue';
}
