/**
 * Indexes that several parts ask one informer for. An informer keeps one index of a name, the first that it was given: so each is said here,
 * once, and costs once however many ask.
 */
import type { Informer } from './informer.ts';
import { objectKey } from '../meta/object.ts';
import { claimNamesOf } from '../meta/pod-claims.ts';
import { storageClassOf } from '../meta/volume-match.ts';
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../../proto/api/core-v1.ts';

/** Asks an informer's copy. */
export type Lookup<T> = (value: string) => T[];

/** Pods by the name of their node; those without one by the empty string. */
export function podsByNode(pods: Informer<Pod>): Lookup<Pod> {
  pods.addIndex('nodeName', pod => [pod.spec?.nodeName ?? '']);
  return node => pods.lister.byIndex('nodeName', node);
}

/** Pods by the claims that they use, as `namespace/name`. */
export function podsByClaim(pods: Informer<Pod>): Lookup<Pod> {
  pods.addIndex('claim', pod => claimNamesOf(pod).map(name => objectKey(pod.metadata.namespace, name)));
  return claim => pods.lister.byIndex('claim', claim);
}

/** Claims by the volume that they name. */
export function claimsByVolume(claims: Informer<PersistentVolumeClaim>): Lookup<PersistentVolumeClaim> {
  claims.addIndex('byVolume', ({ spec: { volumeName = '' } }) => (volumeName === '' ? [] : [volumeName]));
  return volume => claims.lister.byIndex('byVolume', volume);
}

/** Volumes by the claim that they name, as `namespace/name`. */
export function volumesByClaim(volumes: Informer<PersistentVolume>): Lookup<PersistentVolume> {
  volumes.addIndex('byClaim', ({ spec: { claimRef } }) =>
    claimRef === undefined ? [] : [objectKey(claimRef.namespace, claimRef.name ?? '')],
  );
  return claim => volumes.lister.byIndex('byClaim', claim);
}

/** Volumes that name no claim, by their class. */
export function freeVolumesByClass(volumes: Informer<PersistentVolume>): Lookup<PersistentVolume> {
  volumes.addIndex('freeByClass', volume => (volume.spec.claimRef === undefined ? [storageClassOf(volume)] : []));
  return storageClass => volumes.lister.byIndex('freeByClass', storageClass);
}
