/** What looks after the node's resources: measures them, collects garbage, holds groups to their limits, and evicts. Only puts it together. */
import type { EventSink } from '../../../machinery/client/event-recorder.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { CgroupLayout } from '../../host/cgroup-layout.ts';
import type { MachineInfo } from '../../host/machine-info.ts';
import type { KubeletConfiguration } from '../config/plan/kubelet-configuration.ts';
import { imageGcOf } from '../config/plan/policies.ts';
import { createEviction } from '../eviction/create-eviction.ts';
import type { EvictionManager } from '../eviction/eviction-manager.ts';
import type { PodCache } from '../pleg/pod-cache.ts';
import { nodeSubject } from './plan/node-subject.ts';
import type { KubeletFolders } from '../plan/pod-paths.ts';
import type { NodeSwap } from '../plan/swap.ts';
import { abandonOnAbort } from '../pods/abandon.ts';
import { NodeCgroups } from '../pods/node-cgroups.ts';
import type { PodCgroups } from '../pods/pod-cgroups.ts';
import type { PodWorkers } from '../pods/pod-workers.ts';
import type { ImageService, RuntimeService } from '../runtime/runtime-service.ts';
import type { PodAccess } from '../server/pod-access.ts';
import { DiskSampler } from '../stats/disk-sampler.ts';
import { ImageFilesystem } from '../stats/image-filesystem.ts';
import type { KubeletMetrics } from '../stats/kubelet-metrics.ts';
import { NodeSampler } from '../stats/node-sampler.ts';
import { PodDiskMeter } from '../stats/pod-disk-meter.ts';
import type { VolumeManager } from '../volumes/volume-manager.ts';
import { GarbageCollector } from './garbage-collector.ts';
import { ImageCollector } from './image-collector.ts';

export interface HousekeepingOptions {
  readonly configuration: KubeletConfiguration;
  readonly nodeName: string;
  readonly machine: MachineInfo;
  readonly layout: CgroupLayout;
  readonly folders: KubeletFolders;
  readonly runtime: RuntimeService;
  readonly images: ImageService;
  readonly cache: PodCache;
  readonly volumes: VolumeManager;
  readonly cgroups: PodCgroups;
  readonly workers: PodWorkers;
  readonly access: PodAccess;
  readonly metrics: KubeletMetrics;
  readonly recorder: EventSink;
  /** The node's conditions changed. */
  readonly onConditions: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface Housekeeping {
  readonly eviction: EvictionManager;
  readonly collector: GarbageCollector;
  readonly nodeSampler: NodeSampler;
  readonly diskSampler: DiskSampler;
  /** What containers are told of the node's swap. */
  swap(): NodeSwap | undefined;
  /** First looks; before any pod is taken. @throws Error where the settings ask for what this host cannot */
  prepare(): Promise<void>;
  /**
   * Runs until the signal aborts.
   * @param podsKnown resolves once it is known what runs and what is wanted: nothing is thrown away or ended before
   */
  run(signal: AbortSignal, podsKnown: Promise<void>): Promise<unknown>;
}

export function createHousekeeping(options: HousekeepingOptions): Housekeeping {
  const { configuration, nodeName, machine, folders, cgroups, workers, metrics, images } = options;
  const node = nodeSubject(nodeName);
  const shared = { ...options, node };
  const imageFilesystem = new ImageFilesystem(images);
  const disks = new PodDiskMeter(folders, options.clock);
  const groups = new NodeCgroups({
    ...shared,
    cpuCount: machine.cpuCount,
    memoryBytes: machine.memoryBytes,
    swapBytes: machine.swapBytes,
    podsPath: cgroups.podsPath,
    burstablePath: cgroups.burstablePath,
    activePods: () => workers.activePods(),
  });
  const nodeSampler = new NodeSampler({
    ...shared,
    cgroupOf: pod => cgroups.pathOfPod(pod),
    podsCgroup: cgroups.podsPath,
    podsMemoryBytes: groups.podsMemoryBytes,
  });
  const diskSampler = new DiskSampler({ ...shared, meter: disks });
  const collector = new GarbageCollector({
    ...shared,
    images: new ImageCollector({
      ...shared,
      filesystem: imageFilesystem,
      livePods: () => workers.livePods(),
      policy: imageGcOf(configuration),
      onRemoved: reason => metrics.imageRemoved(reason),
    }),
    isKnown: uid => workers.has(uid),
    endOrphans: () => workers.endOrphans(),
    hasEnded: uid => workers.hasEnded(uid),
  });
  cgroups.onPod = () => groups.wake();
  const eviction = createEviction({
    ...shared,
    memoryBytes: machine.memoryBytes,
    podsCgroup: cgroups.podsPath,
    podsMemoryBytes: groups.podsMemoryBytes,
    root: folders.root,
    sampler: nodeSampler,
    disks,
    imageFilesystem,
    garbage: collector,
    pods: {
      active: () => workers.activePods(),
      end: (uid, verdict) => workers.endPod(uid, verdict),
      hasEnded: uid => workers.hasEnded(uid),
    },
    onEvicted: signal => metrics.evicted(signal),
  });
  return {
    eviction,
    collector,
    nodeSampler,
    diskSampler,
    swap: () => groups.swap,
    prepare: async () => {
      await groups.prepare();
      await eviction.prepare();
    },
    run: async (signal, podsKnown) => {
      const held = groups.run(signal);
      await abandonOnAbort(podsKnown, signal).catch(() => undefined);
      await Promise.all([held, collector.run(signal), eviction.run(signal)]);
    },
  };
}
