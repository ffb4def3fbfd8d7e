/** The volumes of a node, of every kind that it has. */
import { join } from 'node:path';
import { subjectOf, type EventSink } from '../../../machinery/client/event-recorder.ts';
import type { Client } from '../../../machinery/client/client.ts';
import { pods } from '../../../machinery/client/resource.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { ImageVolumeSource, PersistentVolume, Pod } from '../../../proto/api/core-v1.ts';
import type { GuardedFiles } from '../../host/files/guarded-files.ts';
import type { ImageState } from '../images/image-manager.ts';
import type { StageWatch } from '../pods/slow-stages.ts';
import type { PayloadSources } from './gather-payload.ts';
import { emptyDirVolumes } from './kinds/empty-dir-volumes.ts';
import { hostPathVolumes } from './kinds/host-path-volumes.ts';
import { imageVolumes } from './kinds/image-volumes.ts';
import { localVolumes } from './kinds/local-volumes.ts';
import { nfsVolumes } from './kinds/nfs-volumes.ts';
import { PayloadVolumes } from './kinds/payload-volumes.ts';
import { NodeVolumeManager } from './node-volume-manager.ts';
import { imageVolumesRefused } from './plan/image-volume-support.ts';
import type { TellProgress } from './pod-group.ts';
import { PodVolumesOnDisk } from './pod-volumes-on-disk.ts';
import type { StorageMetrics } from './storage-metrics.ts';
import { TokenSource } from './token-source.ts';
import type { VolumeKind } from './volume-kind.ts';
import type { VolumeManager } from './volume-manager.ts';

export interface VolumeManagerOptions extends Omit<PayloadSources, 'tokens'> {
  /** The kubelet's root folder. */
  readonly root: string;
  readonly client: Client;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly recorder: EventSink;
  readonly files: GuardedFiles;
  /** See KubeletOptions. */
  readonly makeLocalFolder?: ((volume: PersistentVolume) => Promise<void>) | undefined;
  readonly stages: StageWatch;
  readonly storage: StorageMetrics;
  /** Has an image pulled for a volume; never waits for the pull. */
  readonly ensureImage: (pod: Pod, source: ImageVolumeSource) => Promise<ImageState>;
  /** As it calls itself; known once it answers. */
  readonly runtimeVersion: () => { readonly name: string; readonly version: string };
  /** Beside those that stand here. */
  readonly otherKinds?: readonly VolumeKind[];
}

export function createVolumeManager(options: VolumeManagerOptions): VolumeManager {
  const { root, client, clock, logger, recorder, stages, files, objects, fieldContext, allocatable } = options;
  const { ensureImage, runtimeVersion, storage, otherKinds = [], makeLocalFolder } = options;
  const sources = { objects, fieldContext, allocatable, tokens: new TokenSource(client, clock) };
  const tell: TellProgress = (pod, reason, message) => recorder.event(subjectOf(pods, pod), 'Warning', reason, message);
  const refusedByRuntime = (use: 'whole' | 'part'): string | undefined => {
    const { name, version } = runtimeVersion();
    return imageVolumesRefused(name, version, use);
  };
  const kinds: VolumeKind[] = [
    new PayloadVolumes({ sources, memoryFolder: join(root, 'memory'), clock }),
    emptyDirVolumes(allocatable),
    hostPathVolumes(files),
    localVolumes({ files, stages, tell, makeFolder: makeLocalFolder }),
    nfsVolumes(files, stages),
    imageVolumes({ clock, ensureImage, refusedByRuntime }),
    ...otherKinds,
  ];
  const disk = new PodVolumesOnDisk(root, kinds, storage);
  return new NodeVolumeManager({ kinds, disk, files, client, clock, logger, storage });
}
