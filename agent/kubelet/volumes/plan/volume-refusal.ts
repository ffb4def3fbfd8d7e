/** Volumes that nodes do not make, and what to use instead. Pure. */
import type { PersistentVolumeSpec, Volume } from '../../../../proto/api/core-v1.ts';

/** What a persistent volume has beside its source. */
const NO_SOURCE = new Set([
  'name',
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

/** Why no kind took the volume. */
export function refusal(volume: Volume, spec: PersistentVolumeSpec | undefined): string {
  const entries = Object.entries(spec ?? volume);
  const kind = entries.find(([key, value]) => !NO_SOURCE.has(key) && value !== undefined)?.[0] ?? 'none';
  const instead =
    kind === 'gitRepo'
      ? 'clone into an emptyDir with an init container'
      : 'a CSI driver for that storage makes such volumes: install one and use a claim of it';
  return `no volume plugin matched: volumes of kind ${kind} are not supported on this node; ${instead}`;
}
