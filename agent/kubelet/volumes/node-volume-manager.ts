/**
 * The volumes of this node's pods: finds the kind that makes each, has it made and kept current, and takes it away again.
 *
 * - Each volume of each pod is worked on by one task at a time; pods never wait for each other.
 * - Taking away goes by what is on disk and in the mount table: it is the same after a crash.
 */
import type { Client } from '../../../machinery/client/client.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { Container, Pod, Volume, VolumeMount } from '../../../proto/api/core-v1.ts';
import { errorText } from '../../../machinery/meta/error-text.ts';
import { uidOf } from '../plan/pod-spec.ts';
import type { GuardedFiles } from '../../host/files/guarded-files.ts';
import { resolveClaim } from './claims.ts';
import { isForOnePod, modeProblem, usesOf } from './plan/claim-rules.ts';
import type { PodVolumesOnDisk } from './pod-volumes-on-disk.ts';
import type { StorageMetrics } from './storage-metrics.ts';
import { volumeName, type VolumeKind, type VolumeRequest } from './volume-kind.ts';
import {
  VolumeError,
  type NamedVolumeUsage,
  type PreparedVolume,
  type PreparedVolumes,
  type VolumeManager,
} from './volume-manager.ts';
import { refusal } from './plan/volume-refusal.ts';

export interface NodeVolumeManagerOptions {
  /** In the order in which they are asked. */
  readonly kinds: readonly VolumeKind[];
  readonly disk: PodVolumesOnDisk;
  readonly files: GuardedFiles;
  readonly client: Client;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly storage: StorageMetrics;
}

interface VolumeState {
  kind: VolumeKind | undefined;
  request: VolumeRequest | undefined;
  prepared: PreparedVolume | undefined;
  cancelRetry: (() => void) | undefined;
  /** In a row. */
  refreshFailures: number;
  /** The tail of this volume's work; each task waits for the one before. */
  tail: Promise<void>;
}

interface PodState {
  pod: Pod;
  volumes: Map<string, VolumeState>;
  ended: AbortController;
}

const REFRESH_RETRY_MS = 10_000;
/** Preparations that took longer say so. */
const SLOW_MS = 1_000;
/** Whoever asks for usage does not wait for a file system that hangs. */
const USAGE_MS = 2_000;

export class NodeVolumeManager implements VolumeManager {
  private readonly options: NodeVolumeManagerOptions;
  private readonly pods = new Map<string, PodState>();

  constructor(options: NodeVolumeManagerOptions) {
    this.options = options;
  }

  async prepare(pod: Pod, signal: AbortSignal): Promise<PreparedVolumes> {
    const uid = uidOf(pod);
    const state = this.pods.get(uid) ?? { pod, volumes: new Map(), ended: new AbortController() };
    state.pod = pod;
    this.pods.set(uid, state);
    const volumes = pod.spec.volumes ?? [];
    const prepared = await Promise.all(volumes.map(volume => this.prepareOne(state, volume, signal)));
    return new Map(volumes.map((volume, i) => [volume.name, prepared[i] as PreparedVolume]));
  }

  async prepareSubPath(
    pod: Pod,
    container: Container,
    mountIndex: number,
    mount: VolumeMount,
    volume: PreparedVolume,
    subPath: string,
    signal: AbortSignal,
  ): Promise<string> {
    const { disk, files } = this.options;
    const target = disk.subPathTarget(uidOf(pod), mount.name, container.name, mountIndex);
    try {
      await files.run('bindSubPath', { path: volume.hostPath, subPath, target }, { signal });
      return target;
    } catch (error) {
      signal.throwIfAborted();
      const message = errorText(error);
      throw new VolumeError(
        mount.name,
        `failed to prepare subPath for volumeMount "${mount.name}" of container "${container.name}": ${message}`,
        { cause: error },
      );
    }
  }

  podChanged(pod: Pod): void {
    const state = this.pods.get(uidOf(pod));
    if (state === undefined) return;
    state.pod = pod;
    for (const kind of this.options.kinds) kind.podChanged?.(pod);
  }

  async teardown(podUid: string, signal: AbortSignal): Promise<void> {
    const state = this.pods.get(podUid);
    this.pods.delete(podUid);
    if (state !== undefined) {
      state.ended.abort();
      for (const volume of state.volumes.values()) volume.cancelRetry?.();
      await Promise.all([...state.volumes.values()].map(volume => volume.tail));
    }
    try {
      await this.options.disk.takeAway(podUid, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw new VolumeError('', `the volumes of pod ${podUid} cannot be taken away: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  async usage(podUid: string, signal: AbortSignal): Promise<readonly NamedVolumeUsage[]> {
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(USAGE_MS)]);
    const states = [...(this.pods.get(podUid)?.volumes.values() ?? [])];
    return (await Promise.all(states.map(state => this.usageOf(state, bounded)))).flat();
  }

  listOnDisk(): Promise<readonly string[]> {
    return this.options.disk.pods();
  }

  volumesInUse(): readonly string[] {
    return this.options.kinds.flatMap(kind => kind.inUse?.() ?? []).sort();
  }

  private async usageOf(state: VolumeState, signal: AbortSignal): Promise<readonly NamedVolumeUsage[]> {
    const { clock, logger } = this.options;
    const { kind, request, prepared } = state;
    if (request === undefined || prepared === undefined) return [];
    const { pod, volume, bound } = request;
    const usage = await kind?.usage?.(request, prepared, signal).catch((error: unknown) => {
      logger.debug({ err: error, volume: volume.name }, 'Cannot measure a volume');
      return undefined;
    });
    if (usage === undefined) return [];
    const namespace = pod.metadata.namespace ?? '';
    const claim = bound === undefined ? undefined : { namespace, name: bound.claim.metadata.name ?? '' };
    return [{ ...usage, name: volume.name, timeMs: clock.now(), claim }];
  }

  private async prepareOne(state: PodState, volume: Volume, signal: AbortSignal): Promise<PreparedVolume> {
    const own = this.stateOf(state, volume);
    const startedMs = this.options.clock.monotonicMs();
    try {
      if (own.prepared === undefined)
        return await inTurn(own, async () => (own.prepared ??= await this.make(state, own, volume, signal)));
      if (own.request !== undefined) await own.kind?.check?.(own.request, own.prepared, signal);
      return own.prepared;
    } catch (error) {
      if (signal.aborted || error instanceof VolumeError) throw error;
      const ms = Math.round(this.options.clock.monotonicMs() - startedMs);
      const why = errorText(error);
      const name = own.request === undefined ? volume.name : volumeName(own.request);
      throw new VolumeError(
        volume.name,
        `MountVolume.SetUp failed for volume "${name}" : ${why}${ms > SLOW_MS ? ` (after ${ms} ms)` : ''}`,
        { cause: error },
      );
    }
  }

  private stateOf(state: PodState, { name }: Volume): VolumeState {
    const known = state.volumes.get(name);
    if (known !== undefined) return known;
    const fresh: VolumeState = {
      kind: undefined,
      request: undefined,
      prepared: undefined,
      cancelRetry: undefined,
      refreshFailures: 0,
      tail: Promise.resolve(),
    };
    state.volumes.set(name, fresh);
    return fresh;
  }

  private async make(state: PodState, own: VolumeState, volume: Volume, signal: AbortSignal): Promise<PreparedVolume> {
    own.request ??= await this.requestFor(state, volume, signal);
    const request = { ...own.request, pod: state.pod };
    own.kind ??= this.options.kinds.find(kind => kind.owns(volume, request.bound));
    if (own.kind === undefined) throw new Error(refusal(volume, request.bound?.volume.spec));
    this.checkAlone(state, request);
    const { kind } = own;
    const name = request.isBlock ? 'map_volume' : 'volume_mount';
    return this.options.storage.operation(pluginOf(kind, request), name, () => kind.prepare(request, signal));
  }

  private async requestFor(state: PodState, volume: Volume, signal: AbortSignal): Promise<VolumeRequest> {
    const { pod } = state;
    const bound = await resolveClaim(this.options.client, pod, volume, signal);
    const problem = bound === undefined ? undefined : modeProblem(pod, volume.name, bound.volume.spec);
    if (problem !== undefined) throw new Error(problem);
    return {
      pod,
      volume,
      bound,
      readOnly: volume.persistentVolumeClaim?.readOnly === true,
      isBlock: usesOf(pod, volume.name).asDevice,
      podFolder: this.options.disk.podFolder(uidOf(pod)),
      refresh: () => this.refresh(state, volume.name),
      ended: state.ended.signal,
    };
  }

  /** A volume for one pod alone is not made for a second one. */
  private checkAlone(own: PodState, request: VolumeRequest): void {
    if (request.bound === undefined || !isForOnePod(request.bound.volume.spec)) return;
    const { name } = request.bound.volume.metadata;
    for (const other of this.pods.values()) {
      if (other === own) continue;
      for (const volume of other.volumes.values())
        if (volume.prepared !== undefined && volume.request?.bound?.volume.metadata.name === name)
          throw new Error('volume uses the ReadWriteOncePod access mode and is already in use by another pod');
    }
  }

  /** Something that the volume shows has changed. Failures leave the old content and are tried again. */
  private refresh(state: PodState, name: string): void {
    const own = state.volumes.get(name);
    const { signal } = state.ended;
    if (own?.prepared === undefined || signal.aborted) return;
    const again = async (): Promise<void> => {
      const { kind, request } = own;
      if (signal.aborted || kind === undefined || request === undefined) return;
      own.prepared = await kind.prepare({ ...request, pod: state.pod }, signal);
      own.refreshFailures = 0;
    };
    inTurn(own, again).catch((error: unknown) => {
      if (signal.aborted) return;
      // A source that goes shortly before its pod does is everyday: only what lasts is worth a warning.
      const fields = { pod: state.pod.metadata.name, volume: name, err: error };
      const message = 'a volume keeps its old content; trying again';
      if (own.refreshFailures++ === 0) this.options.logger.debug(fields, message);
      else this.options.logger.warn(fields, message);
      own.cancelRetry?.();
      own.cancelRetry = this.options.clock.after(REFRESH_RETRY_MS, () => this.refresh(state, name));
    });
  }
}

/** As metrics name it: of a CSI volume with its driver. */
function pluginOf({ plugins }: VolumeKind, { volume, bound }: VolumeRequest): string {
  const driver = bound === undefined ? volume.csi?.driver : bound.volume.spec.csi?.driver;
  return `${plugins[0] ?? ''}${driver === undefined ? '' : `:${driver}`}`;
}

function inTurn<T>(volume: VolumeState, work: () => Promise<T>): Promise<T> {
  const result = volume.tail.then(work);
  volume.tail = result.then(
    () => undefined,
    () => undefined,
  );
  return result;
}
