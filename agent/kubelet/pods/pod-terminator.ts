/**
 * Ends a pod: its containers, its sandboxes, its volumes, its control group; and later removes what was kept of it for people to
 * read. Every step may be done twice.
 */
import { readdir, rm, unlink } from 'node:fs/promises';
import { subjectOf, type EventSink } from '../../../machinery/client/event-recorder.ts';
import { pods } from '../../../machinery/client/resource.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { PodCache } from '../pleg/pod-cache.ts';
import { containerLogLink, podFolder, podLogFolder, type KubeletFolders } from '../plan/pod-paths.ts';
import { findContainer, gracePeriodSeconds } from '../plan/pod-spec.ts';
import type { ContainerView } from '../plan/pod-view.ts';
import { isNotFound } from '../runtime/runtime-error.ts';
import type { RuntimeService } from '../runtime/runtime-service.ts';
import type { VolumeManager } from '../volumes/volume-manager.ts';
import { abandonOnAbort } from './abandon.ts';
import { graceFromAnnotations, type ContainerKiller } from './container-killer.ts';
import { containerSubject } from './container-subject.ts';
import type { PodCgroups } from './pod-cgroups.ts';
import type { PodRecord } from './pod-record.ts';
import type { StageWatch } from './slow-stages.ts';
import { errorText } from '../../../machinery/meta/error-text.ts';
import { keyOf } from '../../../machinery/meta/object.ts';

export interface PodTerminatorOptions {
  readonly runtime: RuntimeService;
  readonly cache: PodCache;
  readonly volumes: VolumeManager;
  readonly cgroups: PodCgroups;
  readonly killer: ContainerKiller;
  readonly recorder: EventSink;
  readonly folders: KubeletFolders;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stages: StageWatch;
}

export class PodTerminator {
  private readonly options: PodTerminatorOptions;

  constructor(options: PodTerminatorOptions) {
    this.options = options;
  }

  /** The grace period that holds now, in seconds from the beginning of the end. */
  graceOf(record: PodRecord): number {
    const { pod, uid, verdict, completed } = record;
    const known = completed || pod.spec.containers.length > 0;
    const own = known ? gracePeriodSeconds(pod) : graceFromAnnotations(this.options.cache.view(uid)?.containers ?? []);
    return verdict?.graceSeconds === undefined ? own : Math.min(own, Math.max(1, verdict.graceSeconds));
  }

  /** Stops everything that runs. Resolves once nothing does. @throws RuntimeError, or the signal's reason when grace got shorter */
  async stop(record: PodRecord, graceSeconds: number, signal: AbortSignal): Promise<void> {
    const { runtime, cache, stages } = this.options;
    await abandonOnAbort(cache.settled(record.uid), signal);
    if (record.uncertain) {
      await cache.relistPod(record.uid);
      record.uncertain = false;
    }
    const running = (cache.view(record.uid)?.containers ?? []).filter(
      c => c.state === 'running' || c.state === 'unknown',
    );
    await this.killAll(record, running, graceSeconds, signal);
    const sandboxes = cache.view(record.uid)?.sandboxes ?? [];
    await Promise.all(
      sandboxes
        .filter(sandbox => sandbox.ready)
        .map(async sandbox => {
          const stage = {
            subject: subjectOf(pods, record.pod),
            doing: 'Stopping the sandbox',
            waitsFor:
              'the container runtime, or a CNI plug-in that it called, does not answer; see the log of the runtime',
          };
          await stages.watch(stage, () => cache.during(sandbox.id, 'stop', () => runtime.stopPodSandbox(sandbox.id)));
          cache.sandboxStopped(sandbox.id);
        }),
    );
  }

  /**
   * All at once, preStop hooks too; but sidecars serve the others until the last has ended, and each other in reverse order: each is
   * signalled when its turn comes.
   */
  private async killAll(
    record: PodRecord,
    views: readonly ContainerView[],
    graceSeconds: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { killer, cache, clock } = this.options;
    const usedSeconds = Math.floor((clock.monotonicMs() - (record.terminatingSinceMs ?? clock.monotonicMs())) / 1000);
    const left = Math.max(0, graceSeconds - usedSeconds);
    const podIP = cache.view(record.uid)?.sandboxes[0]?.ips[0] ?? '';
    const kill = (view: ContainerView, before?: readonly Promise<void>[]): Promise<void> => {
      const input = {
        view,
        spec: findContainer(record.pod, view.name)?.container,
        podIP,
        graceSeconds: left,
        message: `Stopping container ${view.name}`,
        subject: containerSubject(record.pod, view.name),
        ...(before === undefined ? {} : { turn: Promise.allSettled(before) }),
      };
      return killer.kill(input, signal);
    };
    const isSidecar = (view: ContainerView): boolean => findContainer(record.pod, view.name)?.role === 'sidecar';
    const order = (record.pod.spec.initContainers ?? []).map(container => container.name);
    const lastFirst = views.filter(isSidecar).sort((a, b) => order.indexOf(b.name) - order.indexOf(a.name));
    const ends = views.filter(view => !isSidecar(view)).map(view => kill(view));
    for (const sidecar of lastFirst) ends.push(kill(sidecar, [...ends]));
    const kills = await Promise.allSettled(ends);
    signal.throwIfAborted();
    const failed = kills.find(result => result.status === 'rejected');
    if (failed === undefined) return;
    const why = errorText(failed.reason);
    this.options.recorder.event(subjectOf(pods, record.pod), 'Warning', 'FailedKillPod', `error killing pod: ${why}`);
    throw failed.reason;
  }

  /** Lets go of volumes and the control group. @throws what could not be let go of */
  async release(record: PodRecord, signal: AbortSignal): Promise<void> {
    const { volumes, cgroups } = this.options;
    const [mounts, groups] = await Promise.allSettled([
      volumes.teardown(record.uid, signal),
      cgroups.removePod(record.uid),
    ]);
    if (mounts.status === 'rejected') {
      const why = errorText(mounts.reason);
      if (!signal.aborted) this.options.recorder.event(subjectOf(pods, record.pod), 'Warning', 'FailedUnMount', why);
      throw mounts.reason;
    }
    // A group that is still busy is no reason to keep the pod: it is tried again when the pod is removed.
    if (groups.status === 'fulfilled') record.cgroupRemoved = true;
    else
      this.options.logger.info({ err: groups.reason, pod: keyOf(record.pod) }, 'Control group of a pod stays a while');
  }

  /** Removes its containers, logs and folders: the API has forgotten it. @throws RuntimeError, or the file system's error */
  async remove(record: PodRecord, signal: AbortSignal): Promise<void> {
    const { runtime, cache, cgroups, folders } = this.options;
    const view = cache.view(record.uid);
    await this.unlinkLogs(record, view?.containers ?? []);
    await Promise.all(
      (view?.sandboxes ?? []).map(async sandbox => {
        // Takes the containers in it along.
        await runtime.removePodSandbox(sandbox.id, { signal });
        for (const container of view?.containers ?? [])
          if (container.sandboxId === sandbox.id) cache.drop(container.id);
        cache.drop(sandbox.id);
      }),
    );
    for (const container of cache.view(record.uid)?.containers ?? []) {
      await runtime.removeContainer(container.id, { signal }).catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
      cache.drop(container.id);
    }
    if (!record.cgroupRemoved) await cgroups.removePod(record.uid);
    await rm(podLogFolder(folders, record.pod), { recursive: true, force: true });
    await removePodFolder(podFolder(folders, record.uid));
  }

  private async unlinkLogs(record: PodRecord, containers: readonly ContainerView[]): Promise<void> {
    const links = containers.map(c => containerLogLink(this.options.folders, record.pod, c.name, c.id));
    await Promise.all(links.map(link => unlink(link).catch(() => undefined)));
  }
}

/** Never reaches into `volumes`: what is mounted there would be emptied. The volume manager removes that folder itself. */
async function removePodFolder(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const mine = names.filter(
    name => name !== 'volumes' && name !== 'volume-subpaths' && name !== 'plugins' && name !== 'volumeDevices',
  );
  await Promise.all(mine.map(name => rm(`${folder}/${name}`, { recursive: true, force: true })));
  if (mine.length === names.length) await rm(folder, { recursive: true, force: true });
}
