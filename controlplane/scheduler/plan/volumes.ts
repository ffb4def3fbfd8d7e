/**
 * What a pod's claims ask of a node: volumes that are bound must be reachable from it, and for claims that wait for their first consumer
 * volumes must be found. Pure. Source: upstream plugin VolumeBinding.
 */
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod } from '../../../proto/api/core-v1.ts';
import type { CSIDriver, CSINode, StorageClass } from '../../../proto/api/storage-v1.ts';
import { matchesNodeSelector } from '../../../machinery/meta/node-selector.ts';
import { claimNamesOf } from '../../../machinery/meta/pod-claims.ts';
import { bestVolume, isReservedFor, storageClassOf } from '../../../machinery/meta/volume-match.ts';
import type { Rejection } from './rejection.ts';

/** Where claims, volumes, classes and drivers are looked up. */
export interface VolumeSources {
  claim(namespace: string, name: string): PersistentVolumeClaim | undefined;
  volume(name: string): PersistentVolume | undefined;
  volumes(): readonly PersistentVolume[];
  storageClass(name: string): StorageClass | undefined;
  /** By the node's name. */
  csiNode(name: string): CSINode | undefined;
  csiDriver(name: string): CSIDriver | undefined;
}

/** The pod's claims that have no volume yet and wait for a node to be chosen. */
export interface PodClaims {
  bound: PersistentVolumeClaim[];
  waiting: PersistentVolumeClaim[];
}

/** What has to be written before the pod may run on the node. */
export interface VolumeDecision {
  bindings: { claim: PersistentVolumeClaim; volume: PersistentVolume }[];
  /** Somebody else makes volumes for them, once they know the node. */
  provisions: PersistentVolumeClaim[];
}

const NO_PROVISIONER = 'kubernetes.io/no-provisioner';

/** The pod's claims, or why it cannot run anywhere. */
export function claimsOf(pod: Pod, sources: VolumeSources): PodClaims | Rejection {
  const found: PodClaims = { bound: [], waiting: [] };
  for (const name of claimNamesOf(pod)) {
    const claim = sources.claim(pod.metadata.namespace ?? '', name);
    if (claim === undefined) return never(`persistentvolumeclaim "${name}" not found`);
    if (claim.metadata.deletionTimestamp !== undefined)
      return never(`persistentvolumeclaim "${name}" is being deleted`);
    if (claim.status?.phase === 'Lost') {
      return never(`persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${claim.spec.volumeName}"`);
    }
    const isBound = (claim.spec.volumeName ?? '') !== '';
    const mode = sources.storageClass(storageClassOf(claim))?.volumeBindingMode;
    if (isBound) found.bound.push(claim);
    else if (mode === 'WaitForFirstConsumer') found.waiting.push(claim);
    else return never('pod has unbound immediate PersistentVolumeClaims');
  }
  return found;
}

/** What has to be done for the claims if the pod runs on the node, or why it cannot. */
export function planVolumes(claims: PodClaims, node: Node, sources: VolumeSources): VolumeDecision | Rejection {
  for (const claim of claims.bound) {
    const name = claim.spec.volumeName ?? '';
    const volume = sources.volume(name);
    if (volume === undefined) return never(`node(s) unavailable due to PersistentVolume(s) "${name}" not found`);
    if (!isReachable(volume, node)) return never("node(s) didn't match PersistentVolume's node affinity");
  }
  const decision: VolumeDecision = { bindings: [], provisions: [] };
  const taken = new Set<PersistentVolume>();
  for (const claim of claims.waiting) {
    const reserved = sources.volumes().find(volume => isReservedFor(volume, claim));
    const allowed = (volume: PersistentVolume): boolean => !taken.has(volume) && isReachable(volume, node);
    const volume = bestVolume(claim, sources.volumes(), allowed);
    if (volume !== undefined) {
      taken.add(volume);
      decision.bindings.push({ claim, volume });
    } else if (reserved === undefined && isProvisioned(claim, node, sources)) decision.provisions.push(claim);
    else return { reason: "node(s) didn't find available persistent volumes to bind", unresolvable: true };
  }
  return decision;
}

function isReachable({ spec }: PersistentVolume, node: Node): boolean {
  const required = spec.nodeAffinity?.required;
  return required === undefined || matchesNodeSelector(required, node);
}

function isProvisioned(claim: PersistentVolumeClaim, node: Node, sources: VolumeSources): boolean {
  const storageClass = sources.storageClass(storageClassOf(claim));
  if (storageClass === undefined || storageClass.provisioner === NO_PROVISIONER) return false;
  const topologies = storageClass.allowedTopologies ?? [];
  const labels = node.metadata.labels ?? {};
  return (
    topologies.length === 0 ||
    topologies.some(({ matchLabelExpressions }) =>
      (matchLabelExpressions ?? []).every(({ key, values }) => values.includes(labels[key] ?? '')),
    )
  );
}

function never(reason: string): Rejection {
  return { reason, unresolvable: true };
}
