/**
 * The local-path provisioner's decisions: which claims get a folder on their node, and when a folder goes. Pure.
 *
 * Each step is one write, after which any process may go on: the volume is named by its claim, so that it is made once; it is deleted before
 * its folder is, so that nobody can be given it any more, and a finalizer holds it until its node says that the folder is gone.
 * Source: kubernetes-csi `sig-storage-lib-external-provisioner` 11 (events, annotations, finalizer; HonorPVReclaimPolicy).
 */
import type { Node, NodeSelectorTerm, PersistentVolume, PersistentVolumeClaim } from '../../../proto/api/core-v1.ts';
import type { StorageClass } from '../../../proto/api/storage-v1.ts';
import {
  isLocalPathVolume,
  LOCAL_PATH_PROVISIONER,
  LOCAL_PATH_REMOVE,
  LOCAL_PATH_REMOVED,
  localPathRootOf,
  localPathVolumeName,
  namesIn,
} from '../../../machinery/meta/local-path.ts';
import { PROVISIONED_BY, SELECTED_NODE, STORAGE_PROVISIONER } from '../../../machinery/meta/volume-annotations.ts';
import { isDeleting } from '../../../machinery/meta/object.ts';

/** Upstream's name: whoever made the volume has its data to remove first. */
export const PROVISIONER_FINALIZER = 'external-provisioner.volume.kubernetes.io/finalizer';
const HOSTNAME = 'kubernetes.io/hostname';
const ACCESS_MODES = new Set(['ReadWriteOnce', 'ReadWriteOncePod']);

export type ProvisionPlan =
  | { kind: 'none' }
  | { kind: 'make'; volume: PersistentVolume }
  /** Its folder of before is just being removed. */
  | { kind: 'later' }
  /** @property elsewhere another node may do: the scheduler is to choose anew */
  | { kind: 'refuse'; why: string; elsewhere: boolean };

export interface ProvisionView {
  readonly claim: PersistentVolumeClaim;
  readonly storageClass: StorageClass | undefined;
  /** The one that the scheduler has chosen, if it is there. */
  readonly node: Node | undefined;
  /** The claim's own volume, if it has been made. */
  readonly volume: PersistentVolume | undefined;
}

/** Whether the claim waits for this provisioner. */
export function isAsked({ metadata, spec }: PersistentVolumeClaim): boolean {
  return (spec.volumeName ?? '') === '' && metadata.annotations?.[STORAGE_PROVISIONER] === LOCAL_PATH_PROVISIONER;
}

export function planProvision({ claim, storageClass, node, volume }: ProvisionView): ProvisionPlan {
  if (!isAsked(claim) || isDeleting(claim) || storageClass?.provisioner !== LOCAL_PATH_PROVISIONER)
    return { kind: 'none' };
  const never = (why: string): ProvisionPlan => ({ kind: 'refuse', why, elsewhere: false });
  const { selector, dataSource, dataSourceRef, volumeMode = 'Filesystem', accessModes = [] } = claim.spec;
  if (volumeMode !== 'Filesystem')
    return never(`volumeMode ${volumeMode} is not supported: a folder is no block device; use Filesystem`);
  const mode = accessModes.find(one => !ACCESS_MODES.has(one));
  if (mode !== undefined)
    return never(
      `access mode ${mode} is not supported: a folder is on one node; use ReadWriteOnce or ReadWriteOncePod`,
    );
  if (selector !== undefined) return never('claim.spec.selector is not supported: the volume is made for the claim');
  if (dataSource !== undefined || dataSourceRef !== undefined)
    return never('claim.spec.dataSource is not supported: a new volume is empty');
  const [parameter] = Object.keys(storageClass.parameters ?? {});
  if (parameter !== undefined) return never(`parameter ${JSON.stringify(parameter)} of the storage class is unknown`);
  const nodeName = claim.metadata.annotations?.[SELECTED_NODE];
  if (nodeName === undefined) {
    if (storageClass.volumeBindingMode === 'WaitForFirstConsumer') return { kind: 'none' };
    return never('no node was specified: the storage class needs volumeBindingMode WaitForFirstConsumer');
  }
  if (volume !== undefined) return { kind: isDeleting(volume) ? 'later' : 'none' };
  const elsewhere = (why: string): ProvisionPlan => ({ kind: 'refuse', why, elsewhere: true });
  if (node === undefined) return elsewhere(`node ${JSON.stringify(nodeName)} not found`);
  const root = localPathRootOf(node);
  if (root === undefined) return elsewhere(`node ${JSON.stringify(nodeName)} has no folder for volumes`);
  const name = localPathVolumeName(claim.metadata.uid ?? '');
  const isGoing = [LOCAL_PATH_REMOVE, LOCAL_PATH_REMOVED].some(one => namesIn(node, one).includes(name));
  return isGoing ? { kind: 'later' } : { kind: 'make', volume: volumeFor(claim, storageClass, node, root) };
}

function volumeFor(
  { metadata, spec }: PersistentVolumeClaim,
  storageClass: StorageClass,
  node: Node,
  root: string,
): PersistentVolume {
  const name = localPathVolumeName(metadata.uid ?? '');
  const policy = storageClass.reclaimPolicy ?? 'Delete';
  const { mountOptions = [] } = storageClass;
  return {
    metadata: {
      name,
      annotations: { [PROVISIONED_BY]: LOCAL_PATH_PROVISIONER },
      ...(policy === 'Delete' ? { finalizers: [PROVISIONER_FINALIZER] } : {}),
    },
    spec: {
      capacity: { storage: spec.resources?.requests?.['storage'] ?? '0' },
      accessModes: spec.accessModes ?? [],
      persistentVolumeReclaimPolicy: policy,
      storageClassName: storageClass.metadata.name ?? '',
      volumeMode: 'Filesystem',
      ...(mountOptions.length === 0 ? {} : { mountOptions }),
      local: { path: `${root === '/' ? '' : root}/${name}` },
      nodeAffinity: { required: { nodeSelectorTerms: [termOf(node)] } },
      claimRef: {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        namespace: metadata.namespace,
        name: metadata.name,
        uid: metadata.uid,
        resourceVersion: metadata.resourceVersion,
      },
    },
  };
}

function termOf({ metadata }: Node): NodeSelectorTerm {
  const name = metadata.name ?? '';
  const requirement = { operator: 'In', values: [name] };
  // Other programs read the label; where somebody gave the node another, its name is what is sure.
  return metadata.labels?.[HOSTNAME] === name
    ? { matchExpressions: [{ key: HOSTNAME, ...requirement }] }
    : { matchFields: [{ key: 'metadata.name', ...requirement }] };
}

/** The node that has the volume's folder: as it was written when the volume was made. */
export function nodeNameOf({ spec }: PersistentVolume): string {
  const [term] = spec.nodeAffinity?.required?.nodeSelectorTerms ?? [];
  return [...(term?.matchExpressions ?? []), ...(term?.matchFields ?? [])][0]?.values?.[0] ?? '';
}

export type VolumePlan =
  | { kind: 'none' }
  /** Puts the finalizer there or takes it away, as the reclaim policy says. */
  | { kind: 'finalizers'; finalizers: string[] }
  /** Nobody has it any more. */
  | { kind: 'delete' }
  /** Deleted: its folder has to go first. */
  | { kind: 'removeFolder' }
  /** @property lost its node is no more: the folder stays there */
  | { kind: 'letGo'; lost: boolean };

export interface VolumeView {
  readonly volume: PersistentVolume;
  /** The one that names the volume, or else the volume's own (by uid); undefined: there is none any more. */
  readonly claim: PersistentVolumeClaim | undefined;
  /** That of the volume, if it is there. */
  readonly node: Node | undefined;
}

export function planVolume({ volume, claim, node }: VolumeView): VolumePlan {
  if (!isLocalPathVolume(volume)) return { kind: 'none' };
  const { name = '', finalizers = [] } = volume.metadata;
  const isHeld = finalizers.includes(PROVISIONER_FINALIZER);
  const keepsData = volume.spec.persistentVolumeReclaimPolicy !== 'Delete';
  if (keepsData) return isHeld ? { kind: 'finalizers', finalizers: without(finalizers) } : { kind: 'none' };
  if (!isDeleting(volume)) {
    // A claim without a volume may still come to it.
    const isWanted = claim !== undefined && ['', name].includes(claim.spec.volumeName ?? '');
    if (!isHeld) return { kind: 'finalizers', finalizers: [...finalizers, PROVISIONER_FINALIZER] };
    return { kind: volume.status?.phase === 'Released' && !isWanted ? 'delete' : 'none' };
  }
  if (!isHeld || volume.status?.phase === 'Bound' || claim?.spec.volumeName === name) return { kind: 'none' };
  if (node === undefined) return { kind: 'letGo', lost: true };
  return namesIn(node, LOCAL_PATH_REMOVED).includes(name) ? { kind: 'letGo', lost: false } : { kind: 'removeFolder' };
}

export function without(finalizers: readonly string[]): string[] {
  return finalizers.filter(one => one !== PROVISIONER_FINALIZER);
}

/** At most so many folders are asked for at once: annotations have little room. */
const MAX_NAMES = 1_000;

/** Which folders the node is asked to remove: of the volumes that have to lose theirs. */
export function folderRequest(volumes: readonly PersistentVolume[]): string[] {
  return volumes
    .map(({ metadata }) => metadata.name ?? '')
    .sort()
    .slice(0, MAX_NAMES);
}
