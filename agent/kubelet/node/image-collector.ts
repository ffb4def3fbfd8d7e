/**
 * Removes images that nobody needs: by age, when the disk that holds them fills, and all of them when the node runs short.
 *
 * - What a container uses or used that is still there, what a pod of this node waits for, and what is pinned stays.
 * - A disk with room costs no call of the runtime.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { EventSink, EventSubject } from '../../../machinery/client/event-recorder.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import { readFilesystemUsage } from '../../host/disk-usage.ts';
import type { PodCache } from '../pleg/pod-cache.ts';
import {
  agedImages,
  bytesToFree,
  removableImages,
  type DiskSpace,
  type ImageGcPolicy,
  type ImageUse,
} from '../images/plan/image-garbage.ts';
import { fullImageName, parseImageName } from '../images/plan/image-name.ts';
import { allContainers } from '../plan/pod-spec.ts';
import { DEMO_IMAGE, PAUSE_IMAGE } from '../runtime/images/own-images.ts';
import type { ImageService } from '../runtime/runtime-service.ts';
import type { ImageFilesystem } from '../stats/image-filesystem.ts';

export interface ImageCollectorOptions {
  readonly images: ImageService;
  readonly filesystem: Pick<ImageFilesystem, 'places'>;
  readonly cache: PodCache;
  /** Pods that have not ended: their images are needed, whether they are there yet or not. */
  readonly livePods: () => readonly Pod[];
  readonly policy: ImageGcPolicy;
  readonly recorder: EventSink;
  readonly node: EventSubject;
  /** Counts, by why the image went. */
  readonly onRemoved: (reason: 'age' | 'space') => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

const OWN_IMAGES = [PAUSE_IMAGE, DEMO_IMAGE];

export class ImageCollector {
  private readonly options: ImageCollectorOptions;
  private readonly startedAtMs: number;
  /** By name or reference, whichever a container says. */
  private readonly usedAtMs = new Map<string, number>();
  private detectedAtMs: Map<string, number> | undefined;

  constructor(options: ImageCollectorOptions) {
    this.options = options;
    this.startedAtMs = options.clock.now();
  }

  /** Remembers what is in use now; costs no call. */
  noteUses(): void {
    const nowMs = this.options.clock.now();
    for (const name of this.namesInUse()) this.usedAtMs.set(name, nowMs);
  }

  /** One round. @throws Error when not enough could be freed, RuntimeError */
  async collect(): Promise<void> {
    const { policy, clock } = this.options;
    this.noteUses();
    const toFree = bytesToFree(await this.readDisk(), policy);
    if (toFree === 0 && policy.maxAgeMs === 0) return;
    const images = await this.listUses();
    const aged = await this.remove(agedImages(images, policy, clock.now(), this.startedAtMs), 'age', Infinity);
    const left = images.filter(image => !aged.has(image.id));
    if (toFree === 0) return;
    const freed = await this.remove(removableImages(left, policy, clock.now()), 'space', toFree);
    const freedBytes = sizeOf(images, freed);
    if (freedBytes >= toFree) return;
    const [wanted, found] = [Math.ceil(toFree), freedBytes];
    const message = `Failed to garbage collect required amount of images. Attempted to free ${wanted} bytes, but only found ${found} bytes eligible to free.`;
    this.options.recorder.event(this.options.node, 'Warning', 'FreeDiskSpaceFailed', message);
    throw new Error(message);
  }

  /** All that nobody needs. @throws RuntimeError */
  async removeUnused(): Promise<void> {
    this.noteUses();
    const images = await this.listUses();
    await this.remove(removableImages(images, this.options.policy, this.options.clock.now()), 'space', Infinity);
  }

  private async readDisk(): Promise<DiskSpace> {
    const { filesystem, recorder, node } = this.options;
    const disk = await readFilesystemUsage((await filesystem.places()).images);
    if (disk.capacityBytes > 0) return disk;
    const message = 'invalid capacity 0 on image filesystem';
    recorder.event(node, 'Warning', 'InvalidDiskCapacity', message);
    throw new Error(message);
  }

  private async listUses(): Promise<ImageUse[]> {
    const { images, clock } = this.options;
    const list = await images.listImages();
    const names = list.map(({ id, repoTags, repoDigests }) => [id, ...repoTags, ...repoDigests]);
    const inUse = this.namesInUse();
    const first = this.detectedAtMs === undefined;
    const before = this.detectedAtMs ?? new Map<string, number>();
    this.detectedAtMs = new Map(list.map(({ id }) => [id, before.get(id) ?? (first ? 0 : clock.now())]));
    const there = new Set(names.flat());
    for (const name of this.usedAtMs.keys()) if (!there.has(name)) this.usedAtMs.delete(name);
    return list.map((image, i) => ({
      id: image.id,
      sizeBytes: Number(image.size),
      // Ours come from no registry, and sandboxes need theirs though no container names it (containerd 1.6 pins nothing).
      pinned: image.pinned || OWN_IMAGES.some(own => names[i]?.includes(own)),
      inUse: names[i]?.some(name => inUse.has(name)) ?? false,
      detectedAtMs: this.detectedAtMs?.get(image.id) ?? 0,
      lastUsedAtMs: Math.max(0, ...(names[i] ?? []).map(name => this.usedAtMs.get(name) ?? 0)),
    }));
  }

  private namesInUse(): Set<string> {
    const { cache, livePods } = this.options;
    const held = cache.views().flatMap(view => view.containers.flatMap(({ imageRef, image }) => [imageRef, image]));
    const wanted = livePods().flatMap(pod => [
      ...allContainers(pod).map(({ container }) => container.image),
      ...(pod.spec.volumes ?? []).map(({ image }) => image?.reference),
    ]);
    const names = [...held, ...wanted].filter(name => name !== undefined && name !== '');
    return new Set(names.flatMap(name => (name === undefined ? [] : spellings(name))));
  }

  /** @returns ids of those that are gone; one that cannot go keeps no other */
  private async remove(list: readonly ImageUse[], reason: 'age' | 'space', bytes: number): Promise<Set<string>> {
    const { images, logger, onRemoved } = this.options;
    const gone = new Set<string>();
    let freed = 0;
    for (const { id, sizeBytes } of list) {
      if (freed >= bytes) break;
      try {
        await images.removeImage({ image: id });
      } catch (error) {
        logger.warn({ err: error, image: id }, 'An unused image stays for now');
        continue;
      }
      logger.info({ image: id, reason }, 'Removed an image that nothing uses');
      onRemoved(reason);
      gone.add(id);
      freed += sizeBytes;
    }
    return gone;
  }
}

/** As the spec says it, and as the runtime does. */
function spellings(name: string): string[] {
  const parsed = parseImageName(name);
  return parsed === undefined ? [name] : [name, fullImageName(parsed)];
}

function sizeOf(images: readonly ImageUse[], ids: ReadonlySet<string>): number {
  return images.filter(({ id }) => ids.has(id)).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
