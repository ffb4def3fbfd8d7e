/**
 * What binds claims to volumes and lets them go again. Pure. Source: kubernetes `pkg/controller/volume/persistentvolume`, 1.36.
 *
 * A binding is two writes, each of which may be the last before this process ends: first the volume names the claim, then the claim the
 * volume. Whoever looks next goes on from what is there. That a volume names one claim alone is what keeps it from two.
 */
import type {
  ObjectReference,
  PersistentVolume,
  PersistentVolumeClaim,
  PersistentVolumeClaimStatus,
} from '../../../proto/api/core-v1.ts';
import type { StorageClass } from '../../../proto/api/storage-v1.ts';
import {
  BIND_COMPLETED,
  BOUND_BY_CONTROLLER,
  PROVISIONED_BY,
  SELECTED_NODE,
} from '../../../machinery/meta/volume-annotations.ts';
import { isDeleting } from '../../../machinery/meta/object.ts';
import {
  bestVolumes,
  isReservedFor,
  mismatch,
  storageClassOf,
  volumeModeOf,
} from '../../../machinery/meta/volume-match.ts';

const OLD_CLASS = 'volume.beta.kubernetes.io/storage-class';
/** Those that were once part of Kubernetes; nobody else may have such a name. */
const IN_TREE = 'kubernetes.io/';

export interface Told {
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
}

export type ClaimPlan =
  | { kind: 'bind'; volume: PersistentVolume }
  /** It named no class, and there is a default one by now. */
  | { kind: 'classify'; storageClassName: string }
  | { kind: 'wait'; told?: Told | undefined; provisioner?: string | undefined }
  | { kind: 'lost'; told: Told };

export interface ClaimView {
  readonly claim: PersistentVolumeClaim;
  /** All that may be the claim's. */
  readonly volumes: readonly PersistentVolume[];
  /** The one that the claim names. */
  readonly storageClass: StorageClass | undefined;
  readonly defaultClassName?: string | undefined;
  /** Names of pods that use the claim and have no node yet, sorted. */
  readonly waitingPods?: readonly string[];
}

export function planClaim(view: ClaimView): ClaimPlan {
  const { claim, volumes } = view;
  const { volumeName = '' } = claim.spec;
  const volume = volumeName === '' ? undefined : volumes.find(({ metadata }) => metadata.name === volumeName);
  if (claim.metadata.annotations?.[BIND_COMPLETED] !== undefined) return planBound(claim, volume);
  if (volumeName === '') return planUnbound(view);
  if (volume === undefined) return { kind: 'wait' };
  if (volume.spec.claimRef !== undefined) {
    if (isReservedFor(volume, claim)) return { kind: 'bind', volume };
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

function planUnbound(view: ClaimView): ClaimPlan {
  const { claim, volumes, storageClass, defaultClassName } = view;
  const name = storageClassOf(claim);
  const isDelayed = storageClass?.volumeBindingMode === 'WaitForFirstConsumer';
  // The scheduler knows which node the volume has to be reached from.
  const { volumes: best, isKept } = bestVolumes(claim, volumes);
  const volume = isDelayed && !isKept ? undefined : best[0];
  if (volume !== undefined) return { kind: 'bind', volume };
  const isUnclassified =
    claim.spec.storageClassName === undefined && !(OLD_CLASS in (claim.metadata.annotations ?? {}));
  if (isUnclassified && defaultClassName !== undefined) return { kind: 'classify', storageClassName: defaultClassName };
  if (isDelayed && claim.metadata.annotations?.[SELECTED_NODE] === undefined) return waitForConsumer(view);
  const reserved = volumes.find(candidate => isReservedFor(candidate, claim));
  if (reserved !== undefined && volumeModeOf(reserved) !== volumeModeOf(claim)) {
    const what = `Cannot bind PersistentVolume "${reserved.metadata.name}" to requested PersistentVolumeClaim due to incompatible volumeMode.`;
    return waitAndTell('VolumeMismatch', what);
  }
  if (name === '') {
    const why = 'no persistent volumes available for this claim and no storage class is set';
    return { kind: 'wait', told: { type: 'Normal', reason: 'FailedBinding', message: why } };
  }
  if (storageClass === undefined) {
    return waitAndTell('ProvisioningFailed', `storageclass.storage.k8s.io "${name}" not found`);
  }
  const { provisioner } = storageClass;
  if (provisioner.startsWith(IN_TREE)) {
    return waitAndTell('ProvisioningFailed', `no volume plugin matched name: ${provisioner}`);
  }
  const message = `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`;
  return { kind: 'wait', provisioner, told: { type: 'Normal', reason: 'ExternalProvisioning', message } };
}

function waitForConsumer({ waitingPods = [] }: ClaimView): ClaimPlan {
  const wait = (reason: string, message: string): ClaimPlan => {
    return { kind: 'wait', told: { type: 'Normal', reason, message } };
  };
  if (waitingPods.length === 0)
    return wait('WaitForFirstConsumer', 'waiting for first consumer to be created before binding');
  const pods = `${waitingPods.length === 1 ? 'pod' : 'pods'} ${waitingPods.join(',')}`;
  return wait('WaitForPodScheduled', `waiting for ${pods} to be scheduled`);
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
  const wasBound = claim.status?.phase === 'Bound';
  const { volumeAttributesClassName: attributes } = volume.spec;
  return {
    ...claim.status,
    phase: 'Bound',
    accessModes: volume.spec.accessModes,
    // A volume that grew, or was changed, tells so itself.
    capacity: wasBound ? claim.status?.capacity : volume.spec.capacity,
    ...(wasBound || attributes === undefined ? {} : { currentVolumeAttributesClassName: attributes }),
  };
}

/** Of a claim without a volume. */
export function unboundClaimStatus(
  { status }: PersistentVolumeClaim,
  phase: 'Pending' | 'Lost',
): PersistentVolumeClaimStatus {
  const { accessModes: _, capacity: __, ...rest } = status ?? {};
  return { ...rest, phase };
}

/** The volume with the claim in its spec. The same volume comes back when it is there already. */
export function boundVolume(volume: PersistentVolume, claim: PersistentVolumeClaim): PersistentVolume {
  const { claimRef } = volume.spec;
  if (claimRef !== undefined && isReservedFor(volume, claim) && claimRef.uid === claim.metadata.uid) return volume;
  const byController = claimRef === undefined ? { [BOUND_BY_CONTROLLER]: 'yes' } : {};
  return {
    ...volume,
    metadata: { ...volume.metadata, annotations: { ...volume.metadata.annotations, ...byController } },
    spec: { ...volume.spec, claimRef: claimReference(claim) },
  };
}

function claimReference({ metadata }: PersistentVolumeClaim): ObjectReference {
  const { namespace, name, uid, resourceVersion } = metadata;
  return { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name, uid, resourceVersion };
}

export type VolumePlan =
  | { kind: 'phase'; phase: 'Available' | 'Bound' | 'Released' | 'Failed'; told?: Told | undefined }
  /** The claim's own write is still to come, or what keeps it is told. */
  | { kind: 'wait'; told?: Told | undefined }
  /** Nobody has it after all: the binding is taken back. */
  | { kind: 'unbind' };

/** @param claim the one that the volume names, if it is there */
export function planVolume(volume: PersistentVolume, claim: PersistentVolumeClaim | undefined): VolumePlan {
  const { claimRef, persistentVolumeReclaimPolicy: policy = 'Retain' } = volume.spec;
  if (claimRef === undefined || (claimRef.uid ?? '') === '') return { kind: 'phase', phase: 'Available' };
  if (claim === undefined || claim.metadata.uid !== claimRef.uid) return released(volume, policy);
  const { volumeName = '' } = claim.spec;
  if (volumeName === '') {
    if (volumeModeOf(volume) === volumeModeOf(claim)) return { kind: 'wait' };
    const message = `Cannot bind PersistentVolume to requested PersistentVolumeClaim "${claim.metadata.name}" due to incompatible volumeMode.`;
    return { kind: 'wait', told: { type: 'Warning', reason: 'VolumeMismatch', message } };
  }
  if (volumeName === volume.metadata.name) return { kind: 'phase', phase: 'Bound' };
  // It was made for a claim that took another.
  return policy === 'Delete' && isProvisioned(volume) ? released(volume, policy) : { kind: 'unbind' };
}

function released(volume: PersistentVolume, policy: string): VolumePlan {
  const fail = (reason: string, message: string): VolumePlan => {
    return { kind: 'phase', phase: 'Failed', told: { type: 'Warning', reason, message } };
  };
  const isBare = !isDeleting(volume);
  if (policy === 'Recycle' && isBare) {
    const why =
      'No recycler plugin found for the volume! Recycling is deprecated: use Retain, or a provisioner and Delete';
    return fail('VolumeFailedRecycle', why);
  }
  if (policy !== 'Delete' || isProvisioned(volume) || !isBare) return { kind: 'phase', phase: 'Released' };
  const why = `error getting deleter volume plugin for volume "${volume.metadata.name}": no deletable volume plugin matched; remove the data and the PersistentVolume by hand`;
  return fail('VolumeFailedDelete', why);
}

/** Whoever made it deletes it. */
function isProvisioned({ metadata }: PersistentVolume): boolean {
  return metadata.annotations?.[PROVISIONED_BY] !== undefined;
}

/** The volume as it was before it was bound: free, or kept for the claim that its author named. */
export function unboundVolume(volume: PersistentVolume): PersistentVolume {
  const { [BOUND_BY_CONTROLLER]: byController, ...annotations } = volume.metadata.annotations ?? {};
  const { claimRef, ...spec } = volume.spec;
  if (byController !== undefined || claimRef === undefined)
    return { ...volume, metadata: { ...volume.metadata, annotations }, spec };
  const { uid: _, resourceVersion: __, ...kept } = claimRef;
  return { ...volume, spec: { ...spec, claimRef: kept } };
}
