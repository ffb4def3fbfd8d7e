/**
 * One way of making a volume. The manager knows no kind by name: it asks each whether a volume is its own.
 *
 * - `prepare` may run any number of times for one volume, never twice at once: after a restart it finds what is there already.
 * - `teardown` gets what lies on the disk, not what anybody remembers: it takes away what a process before this one made.
 * - A call that hangs holds up its own volume alone.
 */
import type { PersistentVolume, PersistentVolumeClaim, Pod, Volume } from '../../../proto/api/core-v1.ts';
import type { PreparedVolume, VolumeUsage } from './volume-manager.ts';

/** A claim and the persistent volume that it is bound to; both as they were when the volume was first prepared. */
export interface BoundClaim {
  readonly claim: PersistentVolumeClaim;
  readonly volume: PersistentVolume;
}

/** One volume of one pod. */
export interface VolumeRequest {
  /** Newer at each call. */
  readonly pod: Pod;
  /** The pod's own entry. */
  readonly volume: Volume;
  /** Where the entry is a claim, or makes one (`ephemeral`): what that is bound to. */
  readonly bound: BoundClaim | undefined;
  /** The volume as a whole must not be written to: the pod's entry says so. */
  readonly readOnly: boolean;
  /** Containers get it as a device (`volumeDevices`), not as a file system. */
  readonly isBlock: boolean;
  /** `pods/UID`, absolute; it is there. */
  readonly podFolder: string;
  /** Has `prepare` called again soon, with the newest pod: a source has changed, or something is due for renewal. Never throws. */
  readonly refresh: () => void;
  /** Aborted when the volume is no longer wanted: watches and timers end. */
  readonly ended: AbortSignal;
}

/** What `volumes/PLUGIN/NAME` or `volumeDevices/PLUGIN/NAME` of a pod holds: made by this process or by one before it. */
export interface VolumeOnDisk {
  readonly podUid: string;
  /** As in the folder's name: `kubernetes.io~csi`. */
  readonly plugin: string;
  /** The folder's name: for claims the persistent volume's, else the volume's. */
  readonly name: string;
  /** Absolute. */
  readonly folder: string;
  /** It lies under `volumeDevices`. */
  readonly isBlock: boolean;
}

/** What a volume is called on disk and in events: for claims the persistent volume's name, else the pod's own. */
export function volumeName({ volume, bound }: Pick<VolumeRequest, 'volume' | 'bound'>): string {
  return bound?.volume.metadata.name ?? volume.name;
}

/** Where a volume's folder lies: `volumes/PLUGIN/NAME` in the pod's folder, as upstream's. */
export function volumeFolder(request: VolumeRequest, plugin: string): string {
  return `${request.podFolder}/volumes/${plugin}/${volumeName(request)}`;
}

export interface VolumeKind {
  /** Folders under `pods/UID/volumes` and `pods/UID/volumeDevices` whose teardown is this kind's: `kubernetes.io~csi`. */
  readonly plugins: readonly string[];

  /** Whether it makes this volume; of a claim the persistent volume decides. Pure. */
  owns(volume: Volume, bound: BoundClaim | undefined): boolean;

  /**
   * Makes the volume ready, or brings it up to date. It has stopped for good when it throws.
   *
   * @throws VolumeError for another reason than `FailedMount`; any other error's message becomes part of the event
   */
  prepare(request: VolumeRequest, signal: AbortSignal): Promise<PreparedVolume>;

  /**
   * Whether a volume that was made ready still answers; asked when containers start again. Cheap where nothing can hang.
   * @throws as `prepare`
   */
  check?(request: VolumeRequest, prepared: PreparedVolume, signal: AbortSignal): Promise<void>;

  /**
   * Takes away what is mounted and known of a volume, before the manager releases the mounts that are left and removes the folder.
   * @throws what keeps it; the pod's teardown is then tried again
   */
  teardown?(place: VolumeOnDisk, signal: AbortSignal): Promise<void>;

  /** Lets go of what it holds for a pod elsewhere than in the pod's folder. */
  forgetPod?(podUid: string): Promise<void>;

  /** UIDs of pods for which it holds something elsewhere than in the pod's folder. */
  podsOnDisk?(): Promise<readonly string[]>;

  /** The pod's metadata changed. Must not throw, must not block. */
  podChanged?(pod: Pod): void;

  /**
   * Measured when asked; undefined: nobody can tell, or it lies on the node's own disk, where it is measured with all else.
   * @throws where the file system does not answer
   */
  usage?(request: VolumeRequest, prepared: PreparedVolume, signal: AbortSignal): Promise<VolumeUsage | undefined>;

  /** Names in `node.status.volumesInUse`. */
  inUse?(): readonly string[];
}
