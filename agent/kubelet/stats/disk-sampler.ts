/**
 * Measures what lies on disks: the node's file systems, logs and the volumes that live on the node's own disk. An answer is kept for a minute,
 * and nothing is measured while nobody asks.
 */
import type { Pod, Volume } from '../../../proto/api/core-v1.ts';
import type { FilesystemUsage } from '../../../proto/cri/runtime.gen.ts';
import type { Decoded } from '../../../proto/decoded.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import { readFilesystemUsage } from '../../host/disk-usage.ts';
import type { KubeletFolders } from '../plan/pod-paths.ts';
import { uidOf } from '../plan/pod-spec.ts';
import type { ImageService } from '../runtime/runtime-service.ts';
import type { PodAccess } from '../server/pod-access.ts';
import type { VolumeManager } from '../volumes/volume-manager.ts';
import type { DiskSample, FsSample, VolumeSample } from './plan/sample.ts';
import type { PodDiskMeter } from './pod-disk-meter.ts';

export interface DiskSamplerOptions {
  readonly images: ImageService;
  readonly access: PodAccess;
  readonly folders: KubeletFolders;
  readonly meter: PodDiskMeter;
  readonly volumes: Pick<VolumeManager, 'usage'>;
  readonly clock: Clock;
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

  /** Volumes that are claims, of all pods that run: cheap, and not kept. */
  async claims(): Promise<VolumeSample[]> {
    const notAborted = new AbortController().signal;
    const pods = this.pods().filter(({ spec }) => spec.volumes?.some(hasClaim));
    const used = await Promise.all(pods.map(pod => this.options.volumes.usage(uidOf(pod), notAborted)));
    return used.flat();
  }

  private pods(): Pod[] {
    const { access } = this.options;
    return access.runningPods().flatMap(({ namespace, name, uid }) => access.pod(namespace, name, uid) ?? []);
  }

  private async measure(): Promise<DiskSample> {
    const { folders, clock, meter, volumes } = this.options;
    const pods = this.pods();
    const notAborted = new AbortController().signal;
    const [node, [images, containers], disks, elsewhere] = await Promise.all([
      this.filesystem(folders.root),
      this.runtimeFilesystems(),
      meter.measure(pods),
      Promise.all(pods.map(async pod => [uidOf(pod), await volumes.usage(uidOf(pod), notAborted)] as const)),
    ]);
    const timeMs = clock.now();
    const entries = [...disks];
    return {
      node,
      images,
      containers,
      logs: new Map(
        entries.flatMap(([uid, { logs }]) =>
          [...logs].map(([name, used]) => [`${uid}/${name}`, { ...node, ...used, timeMs }] as const),
        ),
      ),
      volumes: new Map(
        entries.map(([uid, { volumes }]) => [
          uid,
          [...volumes].map(([name, used]) => ({ ...node, ...used, timeMs, name })),
        ]),
      ),
      elsewhere: new Map(elsewhere),
    };
  }

  private async filesystem(path: string): Promise<FsSample | undefined> {
    const usage = await readFilesystemUsage(path).catch(() => undefined);
    return usage === undefined ? undefined : { timeMs: this.options.clock.now(), ...usage };
  }

  /** Of images and, where the runtime tells them apart, of containers. */
  private async runtimeFilesystems(): Promise<(FsSample | undefined)[]> {
    const info = await this.options.images.imageFsInfo().catch(() => undefined);
    return Promise.all([info?.imageFilesystems[0], info?.containerFilesystems[0]].map(used => this.withUsage(used)));
  }

  private async withUsage(used: Decoded<FilesystemUsage> | undefined): Promise<FsSample | undefined> {
    if (used?.fsId === undefined) return undefined;
    const whole = await this.filesystem(used.fsId.mountpoint);
    return {
      ...whole,
      timeMs: this.options.clock.now(),
      ...(used.usedBytes === undefined ? {} : { usedBytes: Number(used.usedBytes.value) }),
      ...(used.inodesUsed === undefined ? {} : { inodesUsed: Number(used.inodesUsed.value) }),
    };
  }
}

function hasClaim({ persistentVolumeClaim, ephemeral }: Volume): boolean {
  return persistentVolumeClaim !== undefined || ephemeral !== undefined;
}
