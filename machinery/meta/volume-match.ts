/**
 * Which PersistentVolume a claim may have. Pure: the volume binder and the scheduler must agree on it.
 * Source: kubernetes.io/docs, "Persistent Volumes"; upstream `pkg/volume/persistentvolume`.
 */
import type { PersistentVolume, PersistentVolumeClaim } from '../../proto/api/core-v1.ts';
import { compileLabelSelector } from './label-selector.ts';
import { isDeleting } from './object.ts';
import { Quantity, tryParseQuantity } from './quantity.ts';

const CLASS_ANNOTATION = 'volume.beta.kubernetes.io/storage-class';

/** '' for none. */
export function storageClassOf(object: PersistentVolume | PersistentVolumeClaim): string {
  return object.metadata.annotations?.[CLASS_ANNOTATION] ?? object.spec.storageClassName ?? '';
}

/** Whether the volume is kept for, or bound to, this claim. */
export function isReservedFor({ spec }: PersistentVolume, { metadata }: PersistentVolumeClaim): boolean {
  const { claimRef } = spec;
  return (
    claimRef !== undefined &&
    claimRef.namespace === metadata.namespace &&
    claimRef.name === metadata.name &&
    ((claimRef.uid ?? '') === '' || claimRef.uid === metadata.uid)
  );
}

/** Whether the volume is what the claim asks for, whoever has it. Undefined: yes; else what is wrong, as events say it. */
export function mismatch(volume: PersistentVolume, claim: PersistentVolumeClaim): string | undefined {
  if (isDeleting(volume)) return `the volume is marked for deletion ${JSON.stringify(volume.metadata.name ?? '')}`;
  if (capacityOf(volume).compare(requestOf(claim)) < 0) return 'requested PV is too small';
  if (storageClassOf(volume) !== storageClassOf(claim)) return 'storageClassName does not match';
  if (volumeModeOf(volume) !== volumeModeOf(claim)) return 'incompatible volumeMode';
  if (attributesClassOf(volume) !== attributesClassOf(claim)) return 'volumeAttributesClassName does not match';
  return hasAccessModes(volume, claim) ? undefined : 'incompatible accessMode';
}

/**
 * Free volumes that the claim may have, the smallest first; where one is kept for it, whatever its class, that one alone.
 * @param volumes without doubles
 */
export function bestVolumes(
  claim: PersistentVolumeClaim,
  volumes: readonly PersistentVolume[],
): { volumes: readonly PersistentVolume[]; isKept: boolean } {
  const kept = volumes.find(volume => isReservedFor(volume, claim) && isUsable(volume, claim));
  if (kept !== undefined) return { volumes: [kept], isKept: true };
  const selector = claim.spec.selector === undefined ? undefined : compileLabelSelector(claim.spec.selector);
  const found = volumes.filter(
    volume =>
      volume.spec.claimRef === undefined &&
      // One that is not yet Available is just being looked at: its next change brings it here again.
      volume.status?.phase === 'Available' &&
      mismatch(volume, claim) === undefined &&
      (selector === undefined || selector.matches(volume.metadata.labels)),
  );
  const nameOf = ({ metadata }: PersistentVolume): string => metadata.name ?? '';
  found.sort((a, b) => capacityOf(a).compare(capacityOf(b)) || (nameOf(a) < nameOf(b) ? -1 : 1));
  return { volumes: found, isKept: false };
}

/** Of a volume that is kept for the claim no more is asked. */
function isUsable(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  if (isDeleting(volume) || volumeModeOf(volume) !== volumeModeOf(claim)) return false;
  return capacityOf(volume).compare(requestOf(claim)) >= 0 && hasAccessModes(volume, claim);
}

function hasAccessModes({ spec }: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const modes = spec.accessModes ?? [];
  return (claim.spec.accessModes ?? []).every(mode => modes.includes(mode));
}

export function volumeModeOf({ spec }: PersistentVolume | PersistentVolumeClaim): string {
  return spec.volumeMode ?? 'Filesystem';
}

function attributesClassOf({ spec }: PersistentVolume | PersistentVolumeClaim): string {
  return spec.volumeAttributesClassName ?? '';
}

export function capacityOf({ spec }: PersistentVolume): Quantity {
  return tryParseQuantity(String(spec.capacity?.['storage'] ?? '0')) ?? Quantity.zero;
}

export function requestOf({ spec }: PersistentVolumeClaim): Quantity {
  return tryParseQuantity(String(spec.resources?.requests?.['storage'] ?? '0')) ?? Quantity.zero;
}
