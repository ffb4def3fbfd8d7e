/** Volumes that nodes do not make, and who makes them instead. */
import type { PersistentVolumeSpec, Volume } from '../../../proto/api/core-v1.ts';

const OF_CLAIM = new Set([
  'capacity',
  'accessModes',
  'claimRef',
  'persistentVolumeReclaimPolicy',
  'storageClassName',
  'mountOptions',
  'volumeMode',
  'nodeAffinity',
  'volumeAttributesClassName',
]);

/** Why no kind took the volume. Pure. */
export function refusal(volume: Volume, spec: PersistentVolumeSpec | undefined): string {
  const of = spec === undefined ? volume : spec;
  const kind =
    Object.entries(of).find(([key, value]) => key !== 'name' && !OF_CLAIM.has(key) && value !== undefined)?.[0] ??
    'none';
  return `no volume plugin matched: volumes of kind ${kind} are not supported on this node; CSI drivers make such volumes`;
}
