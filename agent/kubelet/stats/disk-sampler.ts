/**
 * Measures what lies on disks: the node's file systems, logs and the volumes that live on the node's own disk. Walking directories is dear, so
 * an answer is kept for a minute, and nothing is walked while nobody asks.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pod, Volume } from '../../../proto/api/core-v1.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import { readDirectoriesUsage, readFilesystemUsage } from '../../host/disk-usage.ts';
import { podFolder, podLogFolder, type KubeletFolders } from '../plan/pod-paths.ts';
import { uidOf } from '../plan/pod-spec.ts';
import type { ImageService } from '../runtime/runtime-service.ts';
import type { PodAccess } from '../server/pod-access.ts';
import type { DiskSample, FsSample } from './plan/sample.ts';

export interface DiskSamplerOptions {
  readonly images: ImageService;
  readonly access: PodAccess;
  readonly folders: KubeletFolders;
  readonly clock: Clock;
}

interface Place {
  readonly path: string;
  readonly uid: string;
  readonly volume: string;
}

const KEPT_MS = 60_000;

export class DiskSampler {
  private readonly options: DiskSamplerOptions;
  private last: { readonly untilMs: number; readonly sample: Promise<DiskSample> } | undefined;

  constructor(options: DiskSamplerOptions) {
    this.options = options;
  }

  sample(): Promise<DiskSample> {
    const nowMs = this.options.clock.monotonicMs();
    if (this.last !== undefined && nowMs < this.last.untilMs) return this.last.sample;
    const sample = this.measure();
    this.last = { untilMs: nowMs + KEPT_MS, sample };
    sample.catch(() => (this.last = undefined));
    return sample;
  }

  private async measure(): Promise<DiskSample> {
    const { access, folders, clock } = this.options;
    const pods = access.runningPods().flatMap(({ namespace, name, uid }) => access.pod(namespace, name, uid) ?? []);
    const [node, images] = await Promise.all([this.filesystem(folders.root), this.imageFilesystem()]);
    const logs = new Map((await Promise.all(pods.map(pod => this.logFolders(pod)))).flat());
    const places = pods.flatMap(pod => this.volumePlaces(pod));
    const used = await readDirectoriesUsage([...logs.keys(), ...places.map(({ path }) => path)]);
    const timeMs = clock.now();
    const sampleOf = (path: string): FsSample => ({ ...node, ...used.get(path), timeMs });
    const volumes = new Map<string, (FsSample & { name: string })[]>();
    for (const { uid, volume, path } of places) {
      const ofPod = volumes.get(uid) ?? [];
      volumes.set(uid, ofPod);
      ofPod.push({ ...sampleOf(path), name: volume });
    }
    return {
      node,
      images,
      logs: new Map([...logs].map(([path, key]) => [key, sampleOf(path)])),
      volumes,
    };
  }

  private async filesystem(path: string): Promise<FsSample | undefined> {
    const usage = await readFilesystemUsage(path).catch(() => undefined);
    return usage === undefined ? undefined : { timeMs: this.options.clock.now(), ...usage };
  }

  private async imageFilesystem(): Promise<FsSample | undefined> {
    const [info] = (await this.options.images.imageFsInfo().catch(() => undefined))?.imageFilesystems ?? [];
    if (info?.fsId === undefined) return undefined;
    const whole = await this.filesystem(info.fsId.mountpoint);
    return {
      ...whole,
      timeMs: this.options.clock.now(),
      ...(info.usedBytes === undefined ? {} : { usedBytes: Number(info.usedBytes.value) }),
      ...(info.inodesUsed === undefined ? {} : { inodesUsed: Number(info.inodesUsed.value) }),
    };
  }

  /** Paths of the containers' log folders with `UID/CONTAINER`. */
  private async logFolders(pod: Pod): Promise<[string, string][]> {
    const folder = podLogFolder(this.options.folders, pod);
    const names = await readdir(folder).catch(() => []);
    return names.map(name => [join(folder, name), `${uidOf(pod)}/${name}`]);
  }

  private volumePlaces(pod: Pod): Place[] {
    return (pod.spec.volumes ?? []).filter(isOnNodeDisk).map(({ name }) => ({
      path: join(podFolder(this.options.folders, uidOf(pod)), 'volumes', 'kubernetes.io~empty-dir', name),
      uid: uidOf(pod),
      volume: name,
    }));
  }
}

/** What takes room on the node's own disk. */
function isOnNodeDisk({ emptyDir }: Volume): boolean {
  return emptyDir !== undefined && (emptyDir.medium ?? '') === '';
}
