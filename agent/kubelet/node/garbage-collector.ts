/**
 * Removes what nobody needs: old attempts of containers, old sandboxes, images when the disk fills, and at start what pods that no
 * longer exist left on the disk.
 */
import { readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import { readFilesystemUsage } from '../../host/disk-usage.ts';
import type { PodCache } from '../pleg/pod-cache.ts';
import { podGarbage } from '../plan/container-garbage.ts';
import { CRI_KEYS } from '../plan/cri-labels.ts';
import { imagesToRemove, type ImageGcPolicy } from '../plan/image-garbage.ts';
import { containerLogLink, podFolder, podsFolder, uidOfLogFolder, type KubeletFolders } from '../plan/pod-paths.ts';
import type { ContainerView, PodView } from '../plan/pod-view.ts';
import type { PodCgroups } from '../pods/pod-cgroups.ts';
import { DEMO_IMAGE, PAUSE_IMAGE } from '../runtime/images/own-images.ts';
import type { ImageService, RuntimeService } from '../runtime/runtime-service.ts';
import type { VolumeManager } from '../volumes/volume-manager.ts';

export interface GarbageCollectorOptions {
  readonly runtime: RuntimeService;
  readonly images: ImageService;
  readonly cache: PodCache;
  readonly volumes: VolumeManager;
  readonly cgroups: PodCgroups;
  readonly folders: KubeletFolders;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly imagePolicy: ImageGcPolicy;
  /** Whether a worker looks after the pod. */
  readonly isKnown: (uid: string) => boolean;
}

const OWN_IMAGES = [PAUSE_IMAGE, DEMO_IMAGE];
const CONTAINERS_EVERY_MS = 60_000;
const IMAGES_EVERY_MS = 300_000;

export class GarbageCollector {
  private readonly options: GarbageCollectorOptions;
  private readonly imageSeenAtMs = new Map<string, number>();

  constructor(options: GarbageCollectorOptions) {
    this.options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.options;
    let imagesDueMs = clock.monotonicMs() + IMAGES_EVERY_MS;
    while (!signal.aborted) {
      await clock.sleep(CONTAINERS_EVERY_MS, signal).catch(() => undefined);
      if (signal.aborted) return;
      await this.attempt('containers', () => this.collectContainers());
      if (clock.monotonicMs() < imagesDueMs) continue;
      imagesDueMs = clock.monotonicMs() + IMAGES_EVERY_MS;
      await this.attempt('images', () => this.collectImages());
    }
  }

  /** Tears down what pods left that neither the API nor the runtime knows. Call once both have been listed. */
  async collectOrphans(signal: AbortSignal): Promise<void> {
    const { volumes, cgroups, cache, folders, isKnown, logger } = this.options;
    const list = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);
    const [mounted, groups, onDisk, logs] = await Promise.all([
      volumes.listOnDisk(),
      cgroups.listPods(),
      list(podsFolder(folders)),
      list(folders.podLogs),
    ]);
    const isOrphan = (uid: string): boolean => !isKnown(uid) && cache.view(uid) === undefined;
    const uids = new Set([...mounted, ...groups, ...onDisk].filter(isOrphan));
    for (const uid of uids) {
      await this.attempt(`pod ${uid}`, async () => {
        await volumes.teardown(uid, signal);
        await cgroups.removePod(uid);
        const left = await list(`${podFolder(folders, uid)}/volumes`);
        // Something is mounted there still: removing the folder would empty it.
        if (left.length === 0) await rm(podFolder(folders, uid), { recursive: true, force: true });
        logger.info({ uid }, 'Removed what a pod of an earlier run had left');
      });
    }
    for (const name of logs) {
      const uid = uidOfLogFolder(name);
      if (uid === undefined || !isOrphan(uid)) continue;
      await this.attempt(`logs ${name}`, () => rm(`${folders.podLogs}/${name}`, { recursive: true, force: true }));
    }
  }

  /** One round. */
  async collectContainers(): Promise<void> {
    const { runtime, cache, clock } = this.options;
    for (const view of cache.views()) {
      const garbage = podGarbage(view, clock.now());
      for (const container of garbage.containers) {
        await runtime.removeContainer(container.id);
        cache.drop(container.id);
        await this.removeFiles(view, container);
      }
      for (const { id } of garbage.sandboxes) {
        await runtime.removePodSandbox(id);
        cache.drop(id);
      }
    }
  }

  /** A pod that crashes for weeks leaves a log and a message each time. */
  private async removeFiles({ namespace, name }: PodView, container: ContainerView): Promise<void> {
    const pod = { metadata: { namespace, name }, spec: { containers: [] } };
    const folder = dirname(container.logPath);
    const log = basename(container.logPath);
    const names = container.logPath === '' ? [] : await readdir(folder).catch(() => []);
    const message = container.annotations[CRI_KEYS.terminationMessageFile];
    const files = [
      ...names.filter(file => file === log || file.startsWith(`${log}.`)).map(file => join(folder, file)),
      containerLogLink(this.options.folders, pod, container.name, container.id),
      ...(message === undefined ? [] : [message]),
    ];
    for (const file of files) await rm(file, { force: true });
  }

  /** Looks at the disk first: a disk with room costs no call to the runtime. */
  async collectImages(): Promise<void> {
    const { images, cache, clock, folders, imagePolicy, logger } = this.options;
    const disk = await readFilesystemUsage(folders.root);
    const usedPercent = 100 - (disk.availableBytes * 100) / Math.max(1, disk.capacityBytes);
    if (usedPercent < imagePolicy.highPercent && imagePolicy.maxAgeMs === 0) return;
    const nowMs = clock.now();
    const used = new Set(
      cache
        .views()
        .flatMap(view => view.containers)
        .flatMap(c => [c.imageRef, c.image]),
    );
    const list = await images.listImages();
    const uses = list.map(image => {
      const names = [image.id, ...image.repoTags, ...image.repoDigests];
      const inUse = names.some(name => used.has(name));
      if (inUse || !this.imageSeenAtMs.has(image.id)) this.imageSeenAtMs.set(image.id, nowMs);
      const lastUsedAtMs = this.imageSeenAtMs.get(image.id) ?? nowMs;
      // Ours come from no registry, and sandboxes need theirs though no container names it (containerd 1.6 pins nothing).
      const pinned = image.pinned || OWN_IMAGES.some(own => names.includes(own));
      return { id: image.id, sizeBytes: Number(image.size), pinned, inUse, lastUsedAtMs };
    });
    const there = new Set(list.map(image => image.id));
    for (const id of this.imageSeenAtMs.keys()) if (!there.has(id)) this.imageSeenAtMs.delete(id);
    for (const id of imagesToRemove(uses, disk, imagePolicy, nowMs)) {
      logger.info({ image: id }, 'Removing an image that nothing uses');
      // One that cannot go must not keep the others.
      await this.attempt(`image ${id}`, () => images.removeImage({ image: id }));
    }
  }

  private async attempt(what: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      this.options.logger.warn({ err: error, what }, 'Garbage stays for now');
    }
  }
}
