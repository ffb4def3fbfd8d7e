/** Measures what pods use, when it has to be decided which of them goes. */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { Decoded } from '../../../proto/decoded.ts';
import type { ContainerStats } from '../../../proto/cri/runtime.gen.ts';
import type { PodCache } from '../pleg/pod-cache.ts';
import { uidOf } from '../plan/pod-spec.ts';
import type { RuntimeService } from '../runtime/runtime-service.ts';
import type { DirectoryUsage } from '../../host/disk-usage.ts';
import type { NodeSampler } from '../stats/node-sampler.ts';
import type { PodDiskMeter, PodDisks } from '../stats/pod-disk-meter.ts';
import type { DiskUse, PodUsage } from './plan/pod-usage.ts';

export interface PodUsageMeterOptions {
  readonly runtime: RuntimeService;
  readonly cache: PodCache;
  readonly sampler: NodeSampler;
  readonly disks: PodDiskMeter;
}

const RUNTIME_MS = 10_000;
const NOTHING: PodDisks = { logs: new Map(), volumes: new Map() };

export class PodUsageMeter {
  private readonly options: PodUsageMeterOptions;

  constructor(options: PodUsageMeterOptions) {
    this.options = options;
  }

  /** Of all that runs, by pod UID. @param withDisks walks directories */
  async all(pods: readonly Pod[], withDisks: boolean, signal: AbortSignal): Promise<Map<string, PodUsage>> {
    const { sampler, disks } = this.options;
    const [node, onDisk] = await Promise.all([
      sampler.sample(),
      withDisks ? disks.measure(pods, signal) : new Map<string, PodDisks>(),
    ]);
    return new Map(
      node.pods.map(pod => {
        const { logs, volumes } = onDisk.get(pod.uid) ?? NOTHING;
        const containers = pod.containers.map(({ name, memory, writableLayer }) => ({
          name,
          memoryBytes: memory?.workingSetBytes,
          rootfs: writableLayer === undefined ? undefined : useOf(writableLayer),
          logs: logs.has(name) ? useOf(logs.get(name)) : undefined,
        }));
        const memoryBytes = pod.memory?.workingSetBytes ?? 0;
        return [pod.uid, { memoryBytes, processes: pod.processes ?? 0, containers, volumes: usesOf(volumes) }];
      }),
    );
  }

  /** What these pods have on disks, by UID. The runtime is only asked for those whose containers are limited. */
  async disksOf(pods: readonly Pod[], signal: AbortSignal): Promise<Map<string, PodUsage>> {
    const onDisk = await this.options.disks.measure(pods, signal);
    const usages = pods.map(async pod => {
      const { logs, volumes } = onDisk.get(uidOf(pod)) ?? NOTHING;
      const layers = limitsContainers(pod) ? await this.layersOf(uidOf(pod)) : new Map<string, DiskUse>();
      const containers = [...new Set([...logs.keys(), ...layers.keys()])].map(name => ({
        name,
        memoryBytes: undefined,
        rootfs: layers.get(name),
        logs: useOf(logs.get(name)),
      }));
      return [uidOf(pod), { memoryBytes: 0, processes: 0, containers, volumes: usesOf(volumes) }] as const;
    });
    return new Map(await Promise.all(usages));
  }

  /** Writable layers by container name; of a runtime that does not answer, none. */
  private async layersOf(uid: string): Promise<Map<string, DiskUse>> {
    const { runtime, cache } = this.options;
    const podSandboxId = cache.view(uid)?.sandboxes[0]?.id;
    if (podSandboxId === undefined) return new Map();
    const stats = await runtime.listContainerStats({ podSandboxId }, { timeoutMs: RUNTIME_MS }).catch(() => []);
    return new Map(stats.flatMap(layerOf));
  }
}

function layerOf({ attributes, writableLayer }: Decoded<ContainerStats>): [string, DiskUse][] {
  const bytes = writableLayer?.usedBytes?.value;
  if (bytes === undefined) return [];
  const use = { bytes: Number(bytes), inodes: Number(writableLayer?.inodesUsed?.value ?? 0n) };
  return [[attributes?.metadata?.name ?? '', use]];
}

function limitsContainers({ spec }: Pod): boolean {
  const parts = [spec.resources, ...[...spec.containers, ...(spec.initContainers ?? [])].map(c => c.resources)];
  return parts.some(resources => resources?.limits?.['ephemeral-storage'] !== undefined);
}

function useOf(usage: DirectoryUsage | undefined): DiskUse {
  return { bytes: usage?.usedBytes ?? 0, inodes: usage?.inodesUsed ?? 0 };
}

function usesOf(usages: ReadonlyMap<string, DirectoryUsage>): Map<string, DiskUse> {
  return new Map([...usages].map(([name, usage]) => [name, useOf(usage)]));
}
