/**
 * Measures what pods take of the node's own disk: logs of containers, and volumes that live there. Walking directories is dear: one walk runs
 * at a time, at low priority to the disk's other users, and nothing is walked while nobody asks.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pod, Volume } from '../../../proto/api/core-v1.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import { readDirectoriesUsage, type DirectoryUsage } from '../../host/disk-usage.ts';
import { podFolder, podLogFolder, type KubeletFolders } from '../plan/pod-paths.ts';
import { uidOf } from '../plan/pod-spec.ts';

/** Of one pod, by names. */
export interface PodDisks {
  readonly logs: ReadonlyMap<string, DirectoryUsage>;
  readonly volumes: ReadonlyMap<string, DirectoryUsage>;
}

interface Place {
  readonly path: string;
  readonly uid: string;
  readonly kind: keyof PodDisks;
  readonly name: string;
}

export class PodDiskMeter {
  private readonly folders: KubeletFolders;
  private readonly clock: Clock;
  private walk: Promise<unknown> = Promise.resolve();
  /** How long the last walk took, in milliseconds. */
  lastWalkMs = 0;

  constructor(folders: KubeletFolders, clock: Clock) {
    this.folders = folders;
    this.clock = clock;
  }

  /** By pod UID. Waits for the walk under way. @throws CommandError */
  async measure(pods: readonly Pod[], signal?: AbortSignal): Promise<Map<string, PodDisks>> {
    const mine = this.walk.then(() => this.measureNow(pods, signal));
    this.walk = mine.catch(() => undefined);
    return mine;
  }

  private async measureNow(pods: readonly Pod[], signal: AbortSignal | undefined): Promise<Map<string, PodDisks>> {
    const beganMs = this.clock.monotonicMs();
    const logs = (await Promise.all(pods.map(pod => this.logPlaces(pod)))).flat();
    const places = [...logs, ...pods.flatMap(pod => this.volumePlaces(pod))];
    const used = await readDirectoriesUsage(
      places.map(({ path }) => path),
      signal,
    );
    this.lastWalkMs = this.clock.monotonicMs() - beganMs;
    return new Map(
      pods.map(pod => {
        const of = (kind: keyof PodDisks): Map<string, DirectoryUsage> =>
          new Map(
            places.flatMap(place => {
              const usage = place.uid === uidOf(pod) && place.kind === kind ? used.get(place.path) : undefined;
              return usage === undefined ? [] : [[place.name, usage] as const];
            }),
          );
        return [uidOf(pod), { logs: of('logs'), volumes: of('volumes') }];
      }),
    );
  }

  private async logPlaces(pod: Pod): Promise<Place[]> {
    const folder = podLogFolder(this.folders, pod);
    const names = await readdir(folder).catch(() => []);
    return names.map(name => ({ path: join(folder, name), uid: uidOf(pod), kind: 'logs', name }));
  }

  private volumePlaces(pod: Pod): Place[] {
    return (pod.spec.volumes ?? []).flatMap(volume => {
      const plugin = pluginOnDisk(volume);
      if (plugin === undefined) return [];
      const path = join(podFolder(this.folders, uidOf(pod)), 'volumes', plugin, volume.name);
      return [{ path, uid: uidOf(pod), kind: 'volumes' as const, name: volume.name }];
    });
  }
}

/** The folder of those that count as ephemeral storage; what lies in memory or elsewhere is another's. */
function pluginOnDisk({ emptyDir, configMap, downwardAPI }: Volume): string | undefined {
  if (emptyDir !== undefined && (emptyDir.medium ?? '') === '') return 'kubernetes.io~empty-dir';
  if (configMap !== undefined) return 'kubernetes.io~configmap';
  return downwardAPI === undefined ? undefined : 'kubernetes.io~downward-api';
}
