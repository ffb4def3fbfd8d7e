/**
 * When claims and persistent volumes are in use, so that they must not go yet. Pure.
 * Source: kubernetes.io/docs, "Storage Object in Use Protection"; kubernetes `pkg/controller/volume/{pvc,pv}protection`.
 */
import type { PersistentVolume, Pod } from '../../../proto/api/core-v1.ts';

export const CLAIM_FINALIZER = 'kubernetes.io/pvc-protection';
export const VOLUME_FINALIZER = 'kubernetes.io/pv-protection';

/** A pod that no node has taken yet does not hold its claims: no node starts it once they are to go. */
export function holdsClaims({ metadata, spec }: Pod): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds } = metadata;
  // The node has let go of it already.
  if (deletionTimestamp !== undefined && deletionGracePeriodSeconds === 0) return false;
  return (spec.nodeName ?? '') !== '';
}

/** A volume is in use as long as it is bound to a claim. */
export function isBound({ status }: PersistentVolume): boolean {
  return status?.phase === 'Bound';
}
