/**
 * What a pod's entry or a claim's persistent volume asks of a CSI driver, in one shape.
 * Source: kubernetes `pkg/volume/csi/csi_mounter.go`; CSI specification, "VolumeCapability".
 */
import type { PersistentVolume, SecretReference, Volume } from '../../../../../proto/api/core-v1.ts';
import type { CSIDriver } from '../../../../../proto/api/storage-v1.ts';
import { inlineHandle } from './csi-paths.ts';

export type Lifecycle = 'Persistent' | 'Ephemeral';

export interface CsiVolume {
  readonly driver: string;
  readonly handle: string;
  /** Name of the pod's folder: the persistent volume's, or the entry's. */
  readonly name: string;
  readonly lifecycle: Lifecycle;
  readonly isBlock: boolean;
  readonly readOnly: boolean;
  readonly fsType: string;
  /** For `volumeContext`. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly mountOptions: readonly string[];
  /** First of the persistent volume's; an inline volume is its pod's alone. */
  readonly accessMode: string;
  readonly hasAccessModes: boolean;
  readonly stageSecret: SecretReference | undefined;
  readonly publishSecret: SecretReference | undefined;
  readonly expandSecret: SecretReference | undefined;
}

export interface CsiVolumeInput {
  readonly volume: Volume;
  /** Set for claims. */
  readonly persistentVolume: PersistentVolume | undefined;
  readonly podUid: string;
  readonly namespace: string;
  readonly readOnly: boolean;
}

/** @throws Error when neither describes a CSI volume */
export function csiVolume(input: CsiVolumeInput): CsiVolume {
  const { volume, persistentVolume, podUid, namespace } = input;
  if (persistentVolume?.spec.csi !== undefined) {
    const { spec } = persistentVolume;
    const csi = persistentVolume.spec.csi;
    return {
      driver: csi.driver,
      handle: csi.volumeHandle,
      name: persistentVolume.metadata.name ?? '',
      lifecycle: 'Persistent',
      isBlock: spec.volumeMode === 'Block',
      readOnly: input.readOnly || csi.readOnly === true,
      fsType: csi.fsType ?? '',
      attributes: csi.volumeAttributes ?? {},
      mountOptions: spec.mountOptions ?? [],
      accessMode: spec.accessModes?.[0] ?? 'ReadWriteOnce',
      hasAccessModes: (spec.accessModes ?? []).length > 0,
      stageSecret: csi.nodeStageSecretRef,
      publishSecret: csi.nodePublishSecretRef,
      expandSecret: csi.nodeExpandSecretRef,
    };
  }
  const { csi } = volume;
  if (csi === undefined) throw new Error(`volume ${volume.name} is none of a CSI driver`);
  const secret = csi.nodePublishSecretRef?.name;
  return {
    driver: csi.driver,
    handle: inlineHandle(podUid, volume.name),
    name: volume.name,
    lifecycle: 'Ephemeral',
    isBlock: false,
    readOnly: input.readOnly || csi.readOnly === true,
    fsType: csi.fsType ?? '',
    attributes: csi.volumeAttributes ?? {},
    mountOptions: [],
    accessMode: 'ReadWriteOnce',
    hasAccessModes: true,
    stageSecret: undefined,
    publishSecret: secret === undefined ? undefined : { name: secret, namespace },
    expandSecret: undefined,
  };
}

/**
 * Why the driver cannot make the volume for this purpose; undefined: it can. A driver without a CSIDriver object makes persistent volumes.
 */
export function lifecycleProblem({ driver, lifecycle }: CsiVolume, object: CSIDriver | undefined): string | undefined {
  const modes = object?.spec.volumeLifecycleModes ?? ['Persistent'];
  if (modes.includes(lifecycle)) return undefined;
  const why = object === undefined ? 'no CSIDriver object' : `only supports ${JSON.stringify(modes)}`;
  return `volume mode ${JSON.stringify(lifecycle)} not supported by driver ${driver} (${why})`;
}

/** Whether the volume has to be attached to the node before it can be mounted. */
export function needsAttach({ lifecycle }: Pick<CsiVolume, 'lifecycle'>, object: CSIDriver | undefined): boolean {
  return lifecycle === 'Persistent' && object?.spec.attachRequired !== false;
}

export interface GroupPlan {
  /** Files are given to the group by the kubelet. */
  readonly change: boolean;
  /** For `volumeMountGroup`: the driver does it. */
  readonly delegated: string;
}

/** Who gives the volume to the pod's `fsGroup`, if anybody. */
export function planGroup(
  volume: CsiVolume,
  fsGroup: number | undefined,
  object: CSIDriver | undefined,
  canDelegate: boolean,
): GroupPlan {
  const nobody = { change: false, delegated: '' };
  if (fsGroup === undefined || volume.isBlock) return nobody;
  if (canDelegate) return { change: false, delegated: String(fsGroup) };
  const policy = object?.spec.fsGroupPolicy ?? 'ReadWriteOnceWithFSType';
  if (policy === 'None' || volume.readOnly) return nobody;
  if (policy === 'File') return { change: true, delegated: '' };
  const isExclusive = volume.accessMode === 'ReadWriteOnce' || volume.accessMode === 'ReadWriteOncePod';
  return { change: volume.fsType !== '' && volume.hasAccessModes && isExclusive, delegated: '' };
}
