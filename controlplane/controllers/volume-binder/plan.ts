/**
 * What binds claims to volumes and lets them go again. Pure. Source: upstream `pkg/controller/volume/persistentvolume`.
 *
 * A binding is two writes, each of which may be the last before this process ends: first the volume names the claim, then the claim the
 * volume. Whoever looks next goes on from what is there.
 */
import type {
  ObjectReference,
  PersistentVolume,
  PersistentVolumeClaim,
  PersistentVolumeClaimStatus,
} from '../../../proto/api/core-v1.ts';
import type { StorageClass } from '../../../proto/api/storage-v1.ts';
import { isDeleting } from '../../../machinery/meta/object.ts';
import { bestVolume, isReservedFor, mismatch, storageClassOf } from '../../../machinery/meta/volume-match.ts';

export const BIND_COMPLETED = 'pv.kubernetes.io/bind-completed';
export const BOUND_BY_CONTROLLER = 'pv.kubernetes.io/bound-by-controller';
export const STORAGE_PROVISIONER = 'volume.kubernetes.io/storage-provisioner';
const SELECTED_NODE = 'volume.kubernetes.io/selected-node';
/** Class of volumes that nobody makes. */
const NO_PROVISIONER = 'kubernetes.io/no-provisioner';

export interface Told {
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
}

export type ClaimPlan =
  | { kind: 'bind'; volume: PersistentVolume }
  | { kind: 'wait'; told?: Told | undefined; provisioner?: string | undefined }
  | { kind: 'lost'; told: Told };

export interface ClaimView {
  claim: PersistentVolumeClaim;
  volumes: readonly PersistentVolume[];
  storageClass: StorageClass | undefined;
}

export function planClaim(view: ClaimView): ClaimPlan {
  const { claim, volumes } = view;
  const { volumeName = '' } = claim.spec;
  const volume = volumeName === '' ? undefined : volumes.find(({ metadata }) => metadata.name === volumeName);
  if (claim.metadata.annotations?.[BIND_COMPLETED] !== undefined) return planBound(claim, volume);
  if (volumeName === '') return planUnbound(view);
  if (volume === undefined) return { kind: 'wait' };
  if (volume.spec.claimRef !== undefined && !isReservedFor(volume, claim)) {
    return waitAndTell('FailedBinding', `volume "${volumeName}" already bound to a different claim.`);
  }
  const wrong = mismatch(volume, claim);
  if (wrong === undefined) return { kind: 'bind', volume };
  return waitAndTell('VolumeMismatch', `Cannot bind to requested volume "${volumeName}": ${wrong}`);
}

function planBound(claim: PersistentVolumeClaim, volume: PersistentVolume | undefined): ClaimPlan {
  const lost = (reason: string, message: string): ClaimPlan => {
    return { kind: 'lost', told: { type: 'Warning', reason, message } };
  };
  if ((claim.spec.volumeName ?? '') === '') {
    return lost('ClaimLost', 'Bound claim has lost reference to PersistentVolume. Data on the volume is lost!');
  }
  if (volume === undefined) {
    return lost('ClaimLost', 'Bound claim has lost its PersistentVolume. Data on the volume is lost!');
  }
  if (volume.spec.claimRef === undefined || isReservedFor(volume, claim)) return { kind: 'bind', volume };
  return lost('ClaimMisbound', 'Two claims are bound to the same volume, this one is bound incorrectly');
}

function planUnbound({ claim, volumes, storageClass }: ClaimView): ClaimPlan {
  const name = storageClassOf(claim);
  const isDelayed = storageClass?.volumeBindingMode === 'WaitForFirstConsumer';
  const isChosen = volumes.some(volume => isReservedFor(volume, claim));
  const selectedNode = claim.metadata.annotations?.[SELECTED_NODE];
  // The scheduler knows which node the volume has to be reached from.
  if (isDelayed && !isChosen && selectedNode === undefined) {
    const why = 'waiting for first consumer to be created before binding';
    return { kind: 'wait', told: { type: 'Normal', reason: 'WaitForFirstConsumer', message: why } };
  }
  const volume = bestVolume(claim, volumes, candidate => !isDelayed || isReservedFor(candidate, claim));
  if (volume !== undefined) return { kind: 'bind', volume };
  if (name === '') {
    const why = 'no persistent volumes available for this claim and no storage class is set';
    return { kind: 'wait', told: { type: 'Normal', reason: 'FailedBinding', message: why } };
  }
  if (storageClass === undefined) {
    return waitAndTell('ProvisioningFailed', `storageclass.storage.k8s.io "${name}" not found`);
  }
  const { provisioner } = storageClass;
  if (provisioner === NO_PROVISIONER) {
    const why = 'no persistent volumes available for this claim, and its storage class makes none';
    return { kind: 'wait', told: { type: 'Normal', reason: 'FailedBinding', message: why } };
  }
  const message = `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`;
  return { kind: 'wait', provisioner, told: { type: 'Normal', reason: 'ExternalProvisioning', message } };
}

function waitAndTell(reason: string, message: string): ClaimPlan {
  return { kind: 'wait', told: { type: 'Warning', reason, message } };
}

/** The claim with its volume in its spec. The same claim comes back when it is there already. */
export function boundClaim(claim: PersistentVolumeClaim, volume: PersistentVolume): PersistentVolumeClaim {
  const annotations = claim.metadata.annotations ?? {};
  if (claim.spec.volumeName === volume.metadata.name && annotations[BIND_COMPLETED] !== undefined) return claim;
  const byController = (claim.spec.volumeName ?? '') === '' ? { [BOUND_BY_CONTROLLER]: 'yes' } : {};
  return {
    ...claim,
    metadata: { ...claim.metadata, annotations: { ...annotations, ...byController, [BIND_COMPLETED]: 'yes' } },
    spec: { ...claim.spec, volumeName: volume.metadata.name },
  };
}

export function boundClaimStatus(claim: PersistentVolumeClaim, volume: PersistentVolume): PersistentVolumeClaimStatus {
  return {
    ...claim.status,
    phase: 'Bound',
    accessModes: volume.spec.accessModes,
    // A volume that grew tells so itself.
    capacity: claim.status?.phase === 'Bound' ? claim.status.capacity : volume.spec.capacity,
  };
}

/** The volume with the claim in its spec. The same volume comes back when it is there already. */
export function boundVolume(volume: PersistentVolume, claim: PersistentVolumeClaim): PersistentVolume {
  const { claimRef } = volume.spec;
  if (claimRef?.uid === claim.metadata.uid && claimRef?.name === claim.metadata.name) return volume;
  const byController = claimRef === undefined ? { [BOUND_BY_CONTROLLER]: 'yes' } : {};
  return {
    ...volume,
    metadata: { ...volume.metadata, annotations: { ...volume.metadata.annotations, ...byController } },
    spec: { ...volume.spec, claimRef: claimReference(claim) },
  };
}

export function claimReference({ metadata }: PersistentVolumeClaim): ObjectReference {
  const { namespace, name, uid, resourceVersion } = metadata;
  return { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name, uid, resourceVersion };
}

export type VolumePlan =
  | { kind: 'phase'; phase: 'Available' | 'Bound' | 'Released' | 'Failed'; told?: Told | undefined }
  /** Nobody has it after all: the binding is taken back. */
  | { kind: 'unbind' };

/** @param claim the one that the volume names, if it is there */
export function planVolume(volume: PersistentVolume, claim: PersistentVolumeClaim | undefined): VolumePlan {
  const { claimRef, persistentVolumeReclaimPolicy: policy } = volume.spec;
  if (claimRef === undefined || (claimRef.uid ?? '') === '') return { kind: 'phase', phase: 'Available' };
  if (claim === undefined || claim.metadata.uid !== claimRef.uid) return released(volume, policy ?? 'Retain');
  const { volumeName = '' } = claim.spec;
  // The claim's own write is still to come.
  if (volumeName === '') return { kind: 'phase', phase: volume.status?.phase === 'Bound' ? 'Bound' : 'Available' };
  if (volumeName === volume.metadata.name) return { kind: 'phase', phase: 'Bound' };
  const isOurs = volume.metadata.annotations?.[BOUND_BY_CONTROLLER] !== undefined;
  return isOurs ? { kind: 'unbind' } : { kind: 'phase', phase: 'Available' };
}

function released(volume: PersistentVolume, policy: string): VolumePlan {
  if (policy === 'Recycle') {
    const message = 'the Recycle policy is not supported; use Retain or Delete';
    return { kind: 'phase', phase: 'Failed', told: { type: 'Warning', reason: 'VolumeFailedRecycle', message } };
  }
  const isExternal = volume.metadata.annotations?.['pv.kubernetes.io/provisioned-by'] !== undefined;
  if (policy !== 'Delete' || isExternal || isDeleting(volume)) return { kind: 'phase', phase: 'Released' };
  const message = 'nobody here deletes volumes of this kind: remove the data and the PersistentVolume by hand';
  return { kind: 'phase', phase: 'Failed', told: { type: 'Warning', reason: 'VolumeFailedDelete', message } };
}

/** The volume as it was before it was bound. */
export function unboundVolume(volume: PersistentVolume): PersistentVolume {
  const { [BOUND_BY_CONTROLLER]: _, ...annotations } = volume.metadata.annotations ?? {};
  const { claimRef: __, ...spec } = volume.spec;
  return { ...volume, metadata: { ...volume.metadata, annotations }, spec };
}
