/**
 * Removes what nobody needs: old attempts of containers, old sandboxes, images, and what pods that no longer exist left: in the runtime,
 * on the disk, in control groups. A call that a killed kubelet left behind may bring such things about later, so it looks every minute.
 */
import { readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { EventSink, EventSubject } from '../../../machinery/client/event-recorder.ts';
import { errorText } from '../../../machinery/meta/error-text.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { PodCache } from '../pleg/pod-cache.ts';
import { podGarbage } from './plan/container-garbage.ts';
import { CRI_KEYS } from '../plan/cri-labels.ts';
import { containerLogLink, podFolder, podsFolder, uidOfLogFolder, type KubeletFolders } from '../plan/pod-paths.ts';
import type { ContainerView, PodView } from '../plan/pod-view.ts';
import { abandonOnAbort } from '../pods/abandon.ts';
import type { PodCgroups } from '../pods/pod-cgroups.ts';
import type { RuntimeService } from '../runtime/runtime-service.ts';
import type { VolumeManager } from '../volumes/volume-manager.ts';
import type { ImageCollector } from './image-collector.ts';

export interface GarbageCollectorOptions {
  readonly runtime: RuntimeService;
  readonly images: ImageCollector;
  readonly cache: PodCache;
  readonly volumes: VolumeManager;
  readonly cgroups: PodCgroups;
  readonly folders: KubeletFolders;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly recorder: EventSink;
  readonly node: EventSubject;
  /** Whether a worker looks after the pod. */
  readonly isKnown: (uid: string) => boolean;
  /** Ends the pods that the runtime holds and nobody knows. */
  readonly endOrphans: () => void;
  /** Whether nothing of the pod runs any more, or will. */
  readonly hasEnded: (uid: string) => boolean;
}

const LOOK_EVERY_MS = 60_000;
const CONTAINERS_EVERY_MS = 60_000;
const IMAGES_EVERY_MS = 300_000;

export class GarbageCollector {
  private readonly options: GarbageCollectorOptions;
  private imagesFailed = false;
  /** Pods and logs that nobody knew at the last look: at the next they are orphans. Undefined before the first look. */
  private suspects: ReadonlySet<string> | undefined;

  constructor(options: GarbageCollectorOptions) {
    this.options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.collect(signal), this.look(signal)]);
  }

  private async collect(signal: AbortSignal): Promise<void> {
    const { clock } = this.options;
    let imagesDueMs = clock.monotonicMs() + IMAGES_EVERY_MS;
    while (!signal.aborted) {
      await clock.sleep(CONTAINERS_EVERY_MS, signal).catch(() => undefined);
      if (signal.aborted) return;
      await this.round('containers', 'ContainerGCFailed', () => this.collectContainers());
      this.options.images.noteUses();
      if (clock.monotonicMs() < imagesDueMs) continue;
      imagesDueMs = clock.monotonicMs() + IMAGES_EVERY_MS;
      await this.collectImages();
    }
  }

  /** A first failure is no event: at start the runtime may not have measured its disk yet. */
  private async collectImages(): Promise<void> {
    const { images } = this.options;
    const reason = this.imagesFailed ? 'ImageGCFailed' : undefined;
    this.imagesFailed = !(await this.round('images', reason, () => images.collect()));
  }

  /** Lists what the runtime holds, whatever hangs elsewhere, and takes away what nobody knows. */
  private async look(signal: AbortSignal): Promise<void> {
    const { clock, cache, endOrphans } = this.options;
    let cleaning: Promise<void> | undefined;
    while (!signal.aborted) {
      await clock.sleep(LOOK_EVERY_MS, signal).catch(() => undefined);
      if (signal.aborted) break;
      await abandonOnAbort(cache.relist(), signal).catch(() => undefined);
      if (signal.aborted || this.suspects === undefined) continue;
      endOrphans();
      cleaning ??= this.attempt('orphans', () => this.collectOrphans(signal)).finally(() => (cleaning = undefined));
    }
    await cleaning;
  }

  /** Tears down what pods left that neither the API nor the runtime knows. Call once both have been listed; from then on it goes on by itself. */
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
    const lost = new Set([...mounted, ...groups, ...onDisk].filter(isOrphan));
    const lostLogs = logs.filter(name => {
      const uid = uidOfLogFolder(name);
      return uid !== undefined && isOrphan(uid);
    });
    const before = this.suspects;
    this.suspects = new Set([...lost, ...lostLogs]);
    // What is new may belong to a pod that is just coming.
    const isOld = (name: string): boolean => before === undefined || before.has(name);
    for (const uid of [...lost].filter(isOld)) {
      await this.attempt(`pod ${uid}`, async () => {
        await volumes.teardown(uid, signal);
        await cgroups.removePod(uid);
        const left = await list(`${podFolder(folders, uid)}/volumes`);
        // Something is mounted there still: removing the folder would empty it.
        if (left.length === 0) await rm(podFolder(folders, uid), { recursive: true, force: true });
        logger.info({ uid }, 'Removed what a pod that nobody knows had left');
      });
    }
    for (const name of lostLogs.filter(isOld)) {
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

  /** The node runs short: of pods that have ended nothing needs to stay but their status. */
  async removeEnded(): Promise<void> {
    const { cache, hasEnded, isKnown } = this.options;
    for (const { uid } of cache.views())
      if (hasEnded(uid) && isKnown(uid)) await this.attempt(`containers of ${uid}`, () => this.removePod(uid));
  }

  removeUnusedImages(): Promise<void> {
    return this.options.images.removeUnused();
  }

  /** All containers and sandboxes of a pod that has ended, logs included. @throws RuntimeError */
  async removePod(uid: string): Promise<void> {
    const { runtime, cache } = this.options;
    const view = cache.view(uid);
    for (const container of view?.containers ?? []) {
      await runtime.removeContainer(container.id);
      if (view !== undefined) await this.removeFiles(view, container);
      cache.drop(container.id);
    }
    for (const { id } of view?.sandboxes ?? []) {
      await runtime.removePodSandbox(id);
      cache.drop(id);
    }
  }

  /** @returns whether it went well */
  private async round(what: string, reason: string | undefined, act: () => Promise<void>): Promise<boolean> {
    const { logger, recorder, node } = this.options;
    try {
      await act();
      return true;
    } catch (error) {
      logger.warn({ err: error, what }, 'Garbage stays for now');
      if (reason !== undefined) recorder.event(node, 'Warning', reason, errorText(error));
      return false;
    }
  }

  private async attempt(what: string, act: () => Promise<void>): Promise<void> {
    await this.round(what, undefined, act);
  }
}
