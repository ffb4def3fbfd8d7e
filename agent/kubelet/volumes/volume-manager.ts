/**
 * What the pod workers ask of volumes. Every call is idempotent: after a restart the same calls find what is mounted already.
 *
 * - One pod's calls may hang (dead NFS, stuck FUSE) without delaying another's: never hold a lock across pods.
 * - What is mounted is read from the mount table, not remembered: a crash loses nothing.
 */
import type { Container, Pod, VolumeMount } from '../../../proto/api/core-v1.ts';

/** One volume of a pod, ready to be mounted into containers. */
export interface PreparedVolume {
  /** Absolute path on the node: a directory, or for hostPath also a file, socket or device. */
  readonly hostPath: string;
  /** The volume as a whole must not be written to (configMap, secret, downwardAPI, projected, readOnly sources). */
  readonly readOnly: boolean;
  /** The runtime should relabel it (SELinux). */
  readonly selinuxRelabel: boolean;
  /** Set for image volumes: the runtime mounts this image; `hostPath` is then ''. */
  readonly image?: string;
  /** Set for volumes that containers get as a device: the block device on the node; `hostPath` is then ''. */
  readonly devicePath?: string;
}

/** A pod's volumes by the name that `spec.volumes` gives them. Volumes that are optional and absent are there, empty. */
export type PreparedVolumes = ReadonlyMap<string, PreparedVolume>;

/** How full a volume is. Bytes and numbers; what nobody can tell is left out. */
export interface VolumeUsage {
  readonly capacityBytes?: number;
  readonly availableBytes?: number;
  readonly usedBytes?: number;
  readonly inodes?: number;
  readonly inodesFree?: number;
  readonly inodesUsed?: number;
  /** Whether its driver finds fault with it. */
  readonly abnormal?: boolean;
}

/** Of one volume of a pod. */
export interface NamedVolumeUsage extends VolumeUsage {
  /** As `spec.volumes` calls it. */
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly timeMs: number;
  /** The claim that it is, if it is one. */
  readonly claim: { readonly namespace: string; readonly name: string } | undefined;
}

/** A volume that cannot be prepared now; the pod worker tells it as an event and tries again with back-off. */
export class VolumeError extends Error {
  override readonly name = 'VolumeError';
  /** Of the volume in the pod's spec. */
  readonly volume: string;
  /** The event's reason: `FailedMount`, `FailedAttachVolume`, `FailedMapVolume`. */
  readonly reason: string;

  constructor(volume: string, message: string, options?: ErrorOptions & { reason?: string }) {
    super(message, options);
    this.volume = volume;
    this.reason = options?.reason ?? 'FailedMount';
  }
}

export interface VolumeManager {
  /**
   * Makes every volume of the pod ready (mounted, written, owned by fsGroup) and keeps sources that change (configMap,
   * secret, downwardAPI, tokens) up to date until `teardown`. Called at the start of each container too, so it is cheap when
   * everything is there. `pod` is read-only and newer at each call.
   *
   * @throws VolumeError naming the volume, how long it took and what to do
   */
  prepare(pod: Pod, signal: AbortSignal): Promise<PreparedVolumes>;

  /**
   * Gives the host path of a `subPath` (already expanded) inside a prepared volume, made if absent, safe against symlinks that
   * leave the volume. The path stays good until `teardown`.
   *
   * @param mountIndex of `mount` in the container's volumeMounts
   * @throws VolumeError
   */
  prepareSubPath(
    pod: Pod,
    container: Container,
    mountIndex: number,
    mount: VolumeMount,
    volume: PreparedVolume,
    subPath: string,
    signal: AbortSignal,
  ): Promise<string>;

  /** Downward API volumes and the like: the pod's metadata or annotations changed. Must not throw, must not block. */
  podChanged(pod: Pod): void;

  /**
   * Unmounts and removes everything that the pod has on disk below the volumes folder. Called when no container of it runs.
   * Succeeds for a pod that never was. A pod worker that sees this fail tries again with back-off.
   *
   * @throws VolumeError naming the mount and, if busy, the process that holds it
   */
  teardown(podUid: string, signal: AbortSignal): Promise<void>;

  /** UIDs of pods that have a folder or mount on disk now: the kubelet tears down those that it does not know. */
  listOnDisk(): Promise<readonly string[]>;

  /**
   * How full the pod's volumes are that do not lie on the node's own disk, as far as anybody tells within two seconds.
   * @returns by volume, in the order of the spec; empty for a pod without volumes here
   */
  usage(podUid: string, signal: AbortSignal): Promise<readonly NamedVolumeUsage[]>;

  /** Names in `node.status.volumesInUse`, sorted. */
  volumesInUse(): readonly string[];
}
