/**
 * A pod waits until its claims exist and are bound, and runs where their volumes are. The part of upstream's VolumeBinding and
 * VolumeZone that needs no provisioner.
 */
import type { PersistentVolumeClaim, Pod } from '../../../proto/api/core-v1.ts';
import type { Plugin, Rejection } from '../framework/framework.ts';

/** Looks a claim up. */
export type ClaimLookup = (namespace: string, name: string) => PersistentVolumeClaim | undefined;

function problem(pod: Pod, claimOf: ClaimLookup): Rejection | undefined {
  for (const volume of pod.spec.volumes ?? []) {
    const claimName =
      volume.persistentVolumeClaim?.claimName ??
      (volume.ephemeral === undefined ? undefined : `${pod.metadata.name}-${volume.name}`);
    if (claimName === undefined) continue;
    const claim = claimOf(pod.metadata.namespace ?? '', claimName);
    if (claim === undefined) return { reason: `persistentvolumeclaim "${claimName}" not found`, unresolvable: true };
    if (claim.metadata.deletionTimestamp !== undefined)
      return { reason: `persistentvolumeclaim "${claimName}" is being deleted`, unresolvable: true };
    if ((claim.spec.volumeName ?? '') === '')
      return { reason: 'pod has unbound immediate PersistentVolumeClaims', unresolvable: true };
  }
  return undefined;
}

export function volumeClaims(claimOf: ClaimLookup): Plugin {
  return { name: 'VolumeBinding', preFilter: (_state, pod) => problem(pod, claimOf) };
}
