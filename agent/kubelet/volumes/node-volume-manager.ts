/**
 * The volumes of this node's pods: finds the kind that makes each, has it made and kept current, and takes it away again.
 *
 * - Each volume of each pod is worked on by one task at a time; pods never wait for each other.
 * - Taking away goes by what is on disk and in the mount table: it is the same after a crash.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '../../../machinery/client/client.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { Container, Pod, Volume, VolumeMount } from '../../../proto/api/core-v1.ts';
import { unmountBelow } from '../../host/mounts.ts';
import { resolveClaim } from './claims.ts';
import { mountSubPath, SubPathError } from './sub-path.ts';
import type { VolumeKind, VolumeRequest } from './volume-kind.ts';
import { VolumeError, type PreparedVolume, type PreparedVolumes, type VolumeManager } from './volume-manager.ts';
import { refusal } from './volume-refusal.ts';

export interface NodeVolumeManagerOptions {
  /** The kubelet's root folder. */
  readonly root: string;
  /** In the order in which they are asked. */
  readonly kinds: readonly VolumeKind[];
  readonly client: Client;
  readonly clock: Clock;
  readonly logger: Logger;
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

export class NodeVolumeManager implements VolumeManager {
  private readonly options: NodeVolumeManagerOptions;
  private readonly pods = new Map<string, PodState>();

  constructor(options: NodeVolumeManagerOptions) {
    this.options = options;
  }

  async prepare(pod: Pod, signal: AbortSignal): Promise<PreparedVolumes> {
    const uid = pod.metadata.uid ?? '';
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
  ): Promise<string> {
    const folder = this.podFolder(pod.metadata.uid ?? '');
    const target = join(folder, 'volume-subpaths', mount.name, container.name, String(mountIndex));
    try {
      await mountSubPath(volume.hostPath, subPath, target);
      return target;
    } catch (error) {
      const message = error instanceof SubPathError ? error.message : `subPath "${subPath}" cannot be mounted`;
      throw new VolumeError(
        mount.name,
        `failed to prepare subPath for volumeMount "${mount.name}" of container "${container.name}": ${message}`,
        { cause: error },
      );
    }
  }

  podChanged(pod: Pod): void {
    const state = this.pods.get(pod.metadata.uid ?? '');
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
      await this.takeAway(podUid, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw new VolumeError('', `the volumes of pod ${podUid} cannot be taken away: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  async listOnDisk(): Promise<readonly string[]> {
    const onDisk = await below(join(this.options.root, 'pods'));
    const withVolumes = await Promise.all(
      onDisk.map(async uid => ((await below(this.podFolder(uid))).some(n => n.startsWith('volume')) ? [uid] : [])),
    );
    const elsewhere = await Promise.all(this.options.kinds.map(kind => kind.podsOnDisk?.() ?? []));
    return [...new Set([...withVolumes.flat(), ...elsewhere.flat()])];
  }

  volumesInUse(): readonly string[] {
    return this.options.kinds.flatMap(kind => kind.inUse?.() ?? []).sort();
  }

  private podFolder(uid: string): string {
    return join(this.options.root, 'pods', uid);
  }

  private async prepareOne(state: PodState, volume: Volume, signal: AbortSignal): Promise<PreparedVolume> {
    const known = state.volumes.get(volume.name);
    if (known?.prepared !== undefined) return known.prepared;
    const own: VolumeState = known ?? {
      kind: undefined,
      request: undefined,
      prepared: undefined,
      cancelRetry: undefined,
      refreshFailures: 0,
      tail: Promise.resolve(),
    };
    state.volumes.set(volume.name, own);
    const startedMs = this.options.clock.monotonicMs();
    try {
      return await inTurn(own, async () => (own.prepared ??= await this.make(state, own, volume, signal)));
    } catch (error) {
      if (signal.aborted || error instanceof VolumeError) throw error;
      const ms = Math.round(this.options.clock.monotonicMs() - startedMs);
      const why = error instanceof Error ? error.message : String(error);
      throw new VolumeError(
        volume.name,
        `MountVolume.SetUp failed for volume "${volume.name}" : ${why}${ms > 1000 ? ` (after ${ms} ms)` : ''}`,
        { cause: error },
      );
    }
  }

  private async make(state: PodState, own: VolumeState, volume: Volume, signal: AbortSignal): Promise<PreparedVolume> {
    own.request ??= await this.requestFor(state, volume, signal);
    const request = { ...own.request, pod: state.pod };
    own.kind ??= this.options.kinds.find(kind => kind.owns(volume, request.bound));
    if (own.kind === undefined) throw new Error(refusal(volume, request.bound?.volume.spec));
    return own.kind.prepare(request, signal);
  }

  private async requestFor(state: PodState, volume: Volume, signal: AbortSignal): Promise<VolumeRequest> {
    const { pod } = state;
    const bound = await resolveClaim(this.options.client, pod, volume, signal);
    const containers = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
    return {
      pod,
      volume,
      bound,
      readOnly: volume.persistentVolumeClaim?.readOnly === true,
      isBlock: containers.some(({ volumeDevices }) => (volumeDevices ?? []).some(({ name }) => name === volume.name)),
      podFolder: this.podFolder(pod.metadata.uid ?? ''),
      refresh: () => this.refresh(state, volume.name),
      ended: state.ended.signal,
    };
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

  private async takeAway(podUid: string, signal: AbortSignal): Promise<void> {
    const folder = this.podFolder(podUid);
    await unmountBelow(join(folder, 'volume-subpaths'));
    for (const list of ['volumes', 'volumeDevices']) {
      const root = join(folder, list);
      for (const plugin of await below(root)) {
        const kind = this.options.kinds.find(({ plugins }) => plugins.includes(plugin));
        if (kind?.teardown === undefined) continue;
        const names = await below(join(root, plugin));
        const isBlock = list === 'volumeDevices';
        const places = names.map(name => ({ podUid, plugin, name, folder: join(root, plugin, name), isBlock }));
        await Promise.all(places.map(place => kind.teardown?.(place, signal)));
      }
    }
    await unmountBelow(folder);
    await Promise.all([
      ...['volumes', 'volumeDevices', 'volume-subpaths'].map(name =>
        rm(join(folder, name), { recursive: true, force: true }),
      ),
      ...this.options.kinds.map(kind => kind.forgetPod?.(podUid)),
    ]);
  }
}

const REFRESH_RETRY_MS = 10_000;

/** Names in a folder; none if it is not there. */
async function below(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}

function inTurn<T>(volume: VolumeState, work: () => Promise<T>): Promise<T> {
  const result = volume.tail.then(work);
  volume.tail = result.then(
    () => undefined,
    () => undefined,
  );
  return result;
}
