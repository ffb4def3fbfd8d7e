/**
 * What pods have on the node's disk and in its mount table, whoever made it: the truth about volumes after a crash.
 *
 * `pods/UID/volumes/PLUGIN/NAME`, `pods/UID/volumeDevices/PLUGIN/NAME`, `pods/UID/volume-subpaths/...`; the layout is upstream's.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { releaseMounts } from '../../host/release-mounts.ts';
import { removeSkeleton } from '../../host/remove-skeleton.ts';
import { removeTree } from '../../host/remove-tree.ts';
import type { StorageMetrics } from './storage-metrics.ts';
import type { VolumeKind, VolumeOnDisk } from './volume-kind.ts';

const SUB_PATHS = 'volume-subpaths';
const VOLUMES = ['volumes', 'volumeDevices'] as const;
const VOLUME_LEVELS = 2;
const SUB_PATH_LEVELS = 3;
/** Whose files lie on the node's own disk and go with the pod. Those of all others are somebody's data. */
const HAS_FILES = new Set(['kubernetes.io~empty-dir', 'kubernetes.io~configmap', 'kubernetes.io~downward-api']);

export class PodVolumesOnDisk {
  private readonly root: string;
  private readonly kinds: readonly VolumeKind[];
  private readonly storage: StorageMetrics;

  /** @param root the kubelet's root folder */
  constructor(root: string, kinds: readonly VolumeKind[], storage: StorageMetrics) {
    this.root = root;
    this.kinds = kinds;
    this.storage = storage;
  }

  podFolder(uid: string): string {
    return join(this.root, 'pods', uid);
  }

  subPathTarget(uid: string, volume: string, container: string, mountIndex: number): string {
    return join(this.podFolder(uid), SUB_PATHS, volume, container, String(mountIndex));
  }

  /** UIDs of pods that have a volume, in no order. */
  async pods(): Promise<readonly string[]> {
    const onDisk = await namesIn(join(this.root, 'pods'));
    const withVolumes = await Promise.all(
      onDisk.map(async uid => ((await namesIn(this.podFolder(uid))).some(n => n.startsWith('volume')) ? [uid] : [])),
    );
    const elsewhere = await Promise.all(this.kinds.map(kind => kind.podsOnDisk?.() ?? []));
    return [...new Set([...withVolumes.flat(), ...elsewhere.flat()])];
  }

  /** Unmounts and removes all of it; what is gone already is no matter. @throws BusyMountError, or what a kind says */
  async takeAway(uid: string, signal: AbortSignal): Promise<void> {
    const folder = this.podFolder(uid);
    await releaseMounts(join(folder, SUB_PATHS));
    const places = await this.placesOf(uid);
    const ends = await Promise.allSettled(places.map(place => this.teardown(place, signal)));
    const failed = ends.find(end => end.status === 'rejected');
    // One that stays must not keep the others, and must not be taken away behind the back of whoever serves it.
    if (failed !== undefined) {
      const others = places.filter((_, index) => ends[index]?.status === 'fulfilled');
      for (const place of others) await releaseMounts(place.folder);
      throw failed.reason;
    }
    await releaseMounts(folder);
    await Promise.all(places.filter(({ plugin }) => HAS_FILES.has(plugin)).map(place => removeTree(place.folder)));
    await Promise.all([
      ...VOLUMES.map(name => removeSkeleton(join(folder, name), VOLUME_LEVELS)),
      removeSkeleton(join(folder, SUB_PATHS), SUB_PATH_LEVELS),
      ...this.kinds.map(kind => kind.forgetPod?.(uid)),
    ]);
  }

  private teardown(place: VolumeOnDisk, signal: AbortSignal): Promise<void> {
    const name = place.isBlock ? 'unmap_volume' : 'volume_unmount';
    return this.storage.operation(place.plugin, name, async () => this.kindOf(place)?.teardown?.(place, signal));
  }

  private async placesOf(podUid: string): Promise<VolumeOnDisk[]> {
    const found = await Promise.all(
      VOLUMES.map(async list => {
        const root = join(this.podFolder(podUid), list);
        const ofPlugin = async (plugin: string): Promise<VolumeOnDisk[]> => {
          const names = await namesIn(join(root, plugin));
          const isBlock = list === 'volumeDevices';
          return names.map(name => ({ podUid, plugin, name, folder: join(root, plugin, name), isBlock }));
        };
        return (await Promise.all((await namesIn(root)).map(ofPlugin))).flat();
      }),
    );
    return found.flat();
  }

  private kindOf({ plugin }: VolumeOnDisk): VolumeKind | undefined {
    return this.kinds.find(({ plugins }) => plugins.includes(plugin));
  }
}

/** None if the folder is not there. */
async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
