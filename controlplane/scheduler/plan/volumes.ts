/**
 * What a pod's claims ask of nodes: volumes that are bound must be reachable, and for claims that wait for their first consumer volumes must be
 * found, or be made. Pure. Source: upstream plugin VolumeBinding, 1.36.
 *
 * What can be said of all nodes alike is found out once a pod (`claimsOf`), so that a node costs little (`planVolumes`).
 */
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod } from '../../../proto/api/core-v1.ts';
import type { CSIDriver, CSINode, CSIStorageCapacity, StorageClass } from '../../../proto/api/storage-v1.ts';
import { matchesNodeSelector } from '../../../machinery/meta/node-selector.ts';
import { LOCAL_PATH_PROVISIONER, localPathRootOf } from '../../../machinery/meta/local-path.ts';
import { isControlledBy, isDeleting } from '../../../machinery/meta/object.ts';
import { claimNameOf } from '../../../machinery/meta/pod-claims.ts';
import { BIND_COMPLETED, SELECTED_NODE } from '../../../machinery/meta/volume-annotations.ts';
import { bestVolumes, storageClassOf } from '../../../machinery/meta/volume-match.ts';
import type { Rejection } from './rejection.ts';
import { roomFor } from './storage-capacity.ts';

/** Where claims, volumes, classes and drivers are looked up. */
export interface VolumeSources {
  claim(namespace: string, name: string): PersistentVolumeClaim | undefined;
  volume(name: string): PersistentVolume | undefined;
  /** Those that may be the claim's: free ones of its class, and those that are kept for it. */
  volumesFor(claim: PersistentVolumeClaim): readonly PersistentVolume[];
  storageClass(name: string): StorageClass | undefined;
  /** By the node's name. */
  csiNode(name: string): CSINode | undefined;
  csiDriver(name: string): CSIDriver | undefined;
  /** Of a storage class. */
  storageCapacities(storageClass: string): readonly CSIStorageCapacity[];
  /** Names of persistent volumes that are attached to the node, or are to be. */
  attachments(nodeName: string): readonly string[];
}

/** A claim that waits for a node. */
interface WaitingClaim {
  readonly claim: PersistentVolumeClaim;
  /** Any of which it may have, the best first; one alone where it is kept for the claim. */
  readonly volumes: readonly PersistentVolume[];
  /** That volume is the claim's: no other will do, and none is made. */
  readonly isKept: boolean;
  /** The node that was chosen before: its volume is being made there. */
  readonly selectedNode: string | undefined;
}

/** The claims of a pod; of those that are bound their volumes, undefined where there is none. */
export interface PodClaims {
  readonly bound: readonly (PersistentVolume | undefined)[];
  readonly waiting: readonly WaitingClaim[];
}

/** What has to be written before the pod may run on the node. */
export interface VolumeDecision {
  readonly bindings: { claim: PersistentVolumeClaim; volume: PersistentVolume }[];
  /** Somebody else makes volumes for them, once they know the node. */
  readonly provisions: PersistentVolumeClaim[];
}

const NO_PROVISIONER = 'kubernetes.io/no-provisioner';

const OUT_OF_REACH = never("node(s) didn't match PersistentVolume's node affinity");
const NONE_FOUND = never("node(s) didn't find available persistent volumes to bind");
const NO_ROOM = never('node(s) did not have enough free storage');
const NO_FOLDER = never('node(s) take no local-path volumes');
const NO_VOLUME = never('node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)');

/** The pod's claims, or why it cannot run anywhere; undefined where it has none. */
export function claimsOf(pod: Pod, sources: VolumeSources): PodClaims | Rejection | undefined {
  const bound: (PersistentVolume | undefined)[] = [];
  const waiting: WaitingClaim[] = [];
  for (const volume of pod.spec.volumes ?? []) {
    const name = claimNameOf(pod, volume);
    if (name === undefined) continue;
    const claim = sources.claim(pod.metadata.namespace ?? '', name);
    const problem = problemOf(claim, name, pod, volume.ephemeral !== undefined);
    if (claim === undefined || problem !== undefined) return never(problem ?? '');
    const { volumeName = '' } = claim.spec;
    if (volumeName !== '' && claim.metadata.annotations?.[BIND_COMPLETED] !== undefined)
      bound.push(sources.volume(volumeName));
    else if (volumeName === '' && isDelayed(claim, sources)) waiting.push(waitingClaim(claim, sources));
    else return never('pod has unbound immediate PersistentVolumeClaims');
  }
  return bound.length + waiting.length === 0 ? undefined : { bound, waiting };
}

function problemOf(
  claim: PersistentVolumeClaim | undefined,
  name: string,
  pod: Pod,
  isEphemeral: boolean,
): string | undefined {
  if (claim === undefined) {
    const [is, made] = [
      `persistentvolumeclaim "${name}" not found`,
      `waiting for ephemeral volume controller to create the persistentvolumeclaim "${name}"`,
    ];
    return isEphemeral ? made : is;
  }
  if (claim.status?.phase === 'Lost')
    return `persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${claim.spec.volumeName ?? ''}"`;
  if (isDeleting(claim)) return `persistentvolumeclaim "${name}" is being deleted`;
  if (!isEphemeral || isControlledBy(claim, pod)) return undefined;
  const [theirs, ours] = [claim, pod].map(({ metadata }) => `${metadata.namespace ?? ''}/${metadata.name ?? ''}`);
  return `PVC ${theirs} was not created for pod ${ours} (pod is not owner)`;
}

function isDelayed(claim: PersistentVolumeClaim, sources: VolumeSources): boolean {
  return sources.storageClass(storageClassOf(claim))?.volumeBindingMode === 'WaitForFirstConsumer';
}

function waitingClaim(claim: PersistentVolumeClaim, sources: VolumeSources): WaitingClaim {
  const selectedNode = claim.metadata.annotations?.[SELECTED_NODE];
  if (selectedNode !== undefined) return { claim, volumes: [], isKept: false, selectedNode };
  return { claim, ...bestVolumes(claim, sources.volumesFor(claim)), selectedNode };
}

/** What has to be done for the claims if the pod runs on the node, or every reason why it cannot. */
export function planVolumes(
  claims: PodClaims,
  node: Node,
  sources: VolumeSources,
): VolumeDecision | readonly Rejection[] {
  const wrong: Rejection[] = [];
  const lost = claims.bound.includes(undefined);
  if (!lost && claims.bound.some(volume => volume !== undefined && !isReachable(volume, node)))
    wrong.push(OUT_OF_REACH);
  const decision: VolumeDecision = { bindings: [], provisions: [] };
  const unfound = findVolumes(claims.waiting, node, sources, decision);
  if (unfound !== undefined) wrong.push(unfound);
  if (lost) wrong.push(NO_VOLUME);
  return wrong.length === 0 ? decision : wrong;
}

function findVolumes(
  waiting: readonly WaitingClaim[],
  node: Node,
  sources: VolumeSources,
  decision: VolumeDecision,
): Rejection | undefined {
  const { name = '' } = node.metadata;
  if (waiting.some(({ selectedNode }) => selectedNode !== undefined && selectedNode !== name)) return NONE_FOUND;
  const taken = new Set<PersistentVolume>();
  const unmade: PersistentVolumeClaim[] = [];
  for (const { claim, volumes, isKept } of waiting) {
    const volume = volumes.find(candidate => !taken.has(candidate) && isReachable(candidate, node));
    if (volume !== undefined) {
      taken.add(volume);
      decision.bindings.push({ claim, volume });
    } else if (isKept) return NONE_FOUND;
    else unmade.push(claim);
  }
  for (const claim of unmade) {
    const storageClass = sources.storageClass(storageClassOf(claim));
    if (storageClass === undefined || storageClass.provisioner === NO_PROVISIONER) return NONE_FOUND;
    if (!isInTopology(storageClass, node)) return NONE_FOUND;
    // Its provisioner would give the node back, and the same one would be chosen again.
    if (storageClass.provisioner === LOCAL_PATH_PROVISIONER && localPathRootOf(node) === undefined) return NO_FOLDER;
    if (roomFor(claim, storageClass, node, sources) === 'none') return NO_ROOM;
    decision.provisions.push(claim);
  }
  return undefined;
}

/** Whether pods of the node can use the volume. */
export function isReachable({ spec }: PersistentVolume, node: Node): boolean {
  const required = spec.nodeAffinity?.required;
  return required === undefined || matchesNodeSelector(required, node);
}

function isInTopology({ allowedTopologies = [] }: StorageClass, { metadata }: Node): boolean {
  const { labels = {} } = metadata;
  if (allowedTopologies.length === 0) return true;
  return allowedTopologies.some(({ matchLabelExpressions = [] }) =>
    matchLabelExpressions.every(({ key, values }) => values.includes(labels[key] ?? '')),
  );
}

function never(reason: string): Rejection {
  return { reason, unresolvable: true };
}
