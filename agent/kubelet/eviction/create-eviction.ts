/** Puts the eviction manager together from the kubelet's parts and settings. */
import type { EventSink, EventSubject } from '../../../machinery/client/event-recorder.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { CgroupLayout } from '../../host/cgroup-layout.ts';
import { durationMs, type KubeletConfiguration } from '../config/plan/kubelet-configuration.ts';
import type { PodCache } from '../pleg/pod-cache.ts';
import type { RuntimeService } from '../runtime/runtime-service.ts';
import type { ImageFilesystem } from '../stats/image-filesystem.ts';
import type { NodeSampler } from '../stats/node-sampler.ts';
import type { PodDiskMeter } from '../stats/pod-disk-meter.ts';
import { EvictionManager, type EvictablePods, type NodeGarbage } from './eviction-manager.ts';
import { observeMachine } from './machine-observer.ts';
import { parseThresholds } from './plan/thresholds.ts';
import { PodUsageMeter } from './pod-usage-meter.ts';
import { StorageLimitWatch } from './storage-limit-watch.ts';

export interface EvictionOptions {
  readonly configuration: KubeletConfiguration;
  readonly layout: CgroupLayout;
  readonly memoryBytes: number;
  /** Of all pods, below the mount point, and its limit. */
  readonly podsCgroup: string;
  readonly podsMemoryBytes: number | undefined;
  /** The kubelet's folder. */
  readonly root: string;
  readonly runtime: RuntimeService;
  readonly cache: PodCache;
  readonly sampler: NodeSampler;
  readonly disks: PodDiskMeter;
  readonly imageFilesystem: ImageFilesystem;
  readonly pods: EvictablePods;
  readonly garbage: NodeGarbage;
  readonly recorder: EventSink;
  readonly node: EventSubject;
  readonly onConditions: () => void;
  readonly onEvicted: (signal: string) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

export function createEviction(options: EvictionOptions): EvictionManager {
  const { configuration, root, imageFilesystem, disks, runtime, cache, sampler, clock } = options;
  const meter = new PodUsageMeter({ runtime, cache, sampler, disks });
  const storageLimits = new StorageLimitWatch({
    meter,
    longestWalkMs: durationMs(configuration.volumeStatsAggPeriod),
    lastWalkMs: () => disks.lastWalkMs,
    clock,
  });
  return new EvictionManager({
    ...options,
    thresholds: parseThresholds(configuration),
    transitionMs: durationMs(configuration.evictionPressureTransitionPeriod),
    maxPodGraceSeconds: configuration.evictionMaxPodGracePeriod,
    storageLimits: configuration.localStorageCapacityIsolation ? storageLimits : undefined,
    observe: () => observeMachine({ ...options, images: imageFilesystem }),
    layout: () => imageFilesystem.layout(root),
    meter,
  });
}
