/**
 * Volumes that a node makes by itself: emptyDir, hostPath, configMap, secret, downwardAPI, projected, and claims of local volumes.
 *
 * - Secrets and tokens live in one memory file system of the kubelet's own: nothing of them reaches a disk, and no pod waits for a mount.
 * - Each volume of each pod is worked on by one task at a time; pods never wait for each other.
 * - What depends on an object follows it: one shared watch an object, one timer a token.
 */
import { chmod, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '../../../machinery/client/client.ts';
import { configMaps, persistentVolumeClaims, persistentVolumes, secrets } from '../../../machinery/client/resource.ts';
import { parseQuantity } from '../../../machinery/meta/quantity.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { Container, EmptyDirVolumeSource, Pod, Volume, VolumeMount } from '../../../proto/api/core-v1.ts';
import { mountTmpfs, unmountBelow } from '../../host/mounts.ts';
import { readPayload, writePayload } from './atomic-writer.ts';
import { applyFsGroup } from './fs-group.ts';
import { prepareHostPath } from './host-path.ts';
import {
  gatherPayload,
  isPayloadVolume,
  isSecretVolume,
  type PayloadSources,
  type SourceRef,
} from './payload-volume.ts';
import { PayloadError, samePayload, type Payload } from './plan/volume-payload.ts';
import { mountSubPath, SubPathError } from './sub-path.ts';
import { TokenSource } from './token-source.ts';
import { VolumeError, type PreparedVolume, type PreparedVolumes, type VolumeManager } from './volume-manager.ts';

export interface LocalVolumeManagerOptions extends Omit<PayloadSources, 'tokens'> {
  /** The kubelet's root folder. */
  root: string;
  client: Client;
  clock: Clock;
  logger: Logger;
}

interface VolumeState {
  prepared: PreparedVolume | undefined;
  payload: Payload | undefined;
  followsPod: boolean;
  stopWatching: Map<string, () => void>;
  cancelRenewal: (() => void) | undefined;
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

export class LocalVolumeManager implements VolumeManager {
  private readonly options: LocalVolumeManagerOptions;
  private readonly sources: PayloadSources;
  private readonly tokens: TokenSource;
  private readonly pods = new Map<string, PodState>();
  private memoryReady: Promise<void> | undefined;

  constructor(options: LocalVolumeManagerOptions) {
    this.options = options;
    this.tokens = new TokenSource(options.client, options.clock);
    this.sources = {
      ...options,
      fieldContext: pod => options.fieldContext(pod),
      allocatable: () => options.allocatable(),
      tokens: this.tokens,
    };
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
    const target = join(
      this.podFolder(pod.metadata.uid ?? ''),
      'volume-subpaths',
      mount.name,
      container.name,
      String(mountIndex),
    );
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
    for (const [name, volume] of state.volumes) if (volume.followsPod) this.refresh(state, name);
  }

  async teardown(podUid: string): Promise<void> {
    const state = this.pods.get(podUid);
    this.pods.delete(podUid);
    this.tokens.forget(podUid);
    if (state !== undefined) {
      state.ended.abort();
      for (const volume of state.volumes.values()) {
        volume.cancelRenewal?.();
        for (const stop of volume.stopWatching.values()) stop();
      }
      await Promise.all([...state.volumes.values()].map(volume => volume.tail));
    }
    const folder = this.podFolder(podUid);
    try {
      await unmountBelow(folder);
      const places = [join(folder, 'volumes'), join(folder, 'volume-subpaths'), join(this.memoryFolder(), podUid)];
      await Promise.all(places.map(place => rm(place, { recursive: true, force: true })));
    } catch (error) {
      throw new VolumeError('', `the volumes of pod ${podUid} cannot be taken away: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  async listOnDisk(): Promise<readonly string[]> {
    const below = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);
    const onDisk = await below(join(this.options.root, 'pods'));
    const withVolumes = await Promise.all(
      onDisk.map(async uid => ((await below(this.podFolder(uid))).some(n => n.startsWith('volume')) ? [uid] : [])),
    );
    return [...new Set([...withVolumes.flat(), ...(await below(this.memoryFolder()))])];
  }

  volumesInUse(): readonly string[] {
    return [];
  }

  private podFolder(uid: string): string {
    return join(this.options.root, 'pods', uid);
  }

  private memoryFolder(): string {
    return join(this.options.root, 'memory');
  }

  private async prepareOne(state: PodState, volume: Volume, signal: AbortSignal): Promise<PreparedVolume> {
    const known = state.volumes.get(volume.name);
    if (known?.prepared !== undefined) return known.prepared;
    const fresh: VolumeState = known ?? {
      prepared: undefined,
      payload: undefined,
      followsPod: false,
      stopWatching: new Map(),
      cancelRenewal: undefined,
      refreshFailures: 0,
      tail: Promise.resolve(),
    };
    state.volumes.set(volume.name, fresh);
    const startedMs = this.options.clock.monotonicMs();
    try {
      return await this.inTurn(fresh, async () => (fresh.prepared ??= await this.make(state, fresh, volume, signal)));
    } catch (error) {
      if (signal.aborted) throw error;
      const ms = Math.round(this.options.clock.monotonicMs() - startedMs);
      const why = error instanceof Error ? error.message : String(error);
      throw new VolumeError(
        volume.name,
        `MountVolume.SetUp failed for volume "${volume.name}" : ${why}${ms > 1000 ? ` (after ${ms} ms)` : ''}`,
        { cause: error },
      );
    }
  }

  private inTurn<T>(volume: VolumeState, work: () => Promise<T>): Promise<T> {
    const result = volume.tail.then(work);
    volume.tail = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  private async make(state: PodState, own: VolumeState, volume: Volume, signal: AbortSignal): Promise<PreparedVolume> {
    const prepared = (hostPath: string, readOnly: boolean): PreparedVolume => ({
      hostPath,
      readOnly,
      selinuxRelabel: readOnly,
    });
    if (isPayloadVolume(volume)) {
      const folder = await this.payloadFolder(state, volume);
      await this.fill(state, own, volume, folder, signal);
      return prepared(folder, true);
    }
    if (volume.emptyDir !== undefined)
      return { ...prepared(await this.emptyDir(state, volume.name, volume.emptyDir), false), selinuxRelabel: true };
    if (volume.hostPath !== undefined) {
      const problem = await prepareHostPath(volume.hostPath);
      if (problem !== undefined) throw new PayloadError(problem);
      return prepared(volume.hostPath.path, false);
    }
    if (volume.persistentVolumeClaim !== undefined)
      return this.claim(
        state.pod,
        volume.persistentVolumeClaim.claimName,
        volume.persistentVolumeClaim.readOnly === true,
        signal,
      );
    const kind = Object.keys(volume).find(key => key !== 'name') ?? 'none';
    throw new PayloadError(`volumes of kind ${kind} are not supported on this node`);
  }

  /** Claims whose volume is a folder of this host. */
  private async claim(pod: Pod, name: string, readOnly: boolean, signal: AbortSignal): Promise<PreparedVolume> {
    const { client } = this.options;
    const claim = await client.of(persistentVolumeClaims).get({ namespace: pod.metadata.namespace, name }, signal);
    const volumeName = claim.spec.volumeName ?? '';
    if (volumeName === '' || claim.status?.phase !== 'Bound')
      throw new PayloadError(`persistentvolumeclaim "${name}" is not bound`);
    const { spec } = await client.of(persistentVolumes).get({ name: volumeName }, signal);
    const source = spec.local === undefined ? spec.hostPath : { path: spec.local.path, type: 'Directory' };
    if (source === undefined)
      throw new PayloadError(`the source of persistentvolume "${volumeName}" is not supported on this node`);
    const problem = await prepareHostPath(source);
    if (problem !== undefined) throw new PayloadError(problem);
    await this.giveToGroup(pod, source.path);
    return { hostPath: source.path, readOnly, selinuxRelabel: false };
  }

  private async emptyDir(
    state: PodState,
    name: string,
    { medium = '', sizeLimit }: EmptyDirVolumeSource,
  ): Promise<string> {
    if (medium !== '' && medium !== 'Memory')
      throw new PayloadError(`an emptyDir on medium "${medium}" is not supported on this node`);
    const folder = join(this.podFolder(state.pod.metadata.uid ?? ''), 'volumes', 'kubernetes.io~empty-dir', name);
    await mkdir(folder, { recursive: true });
    if (medium === 'Memory') {
      const limit = sizeLimit === undefined ? 0 : parseQuantity(sizeLimit).value();
      await mountTmpfs(folder, { mode: 0o777, ...(limit > 0 ? { sizeBytes: limit } : {}) });
    }
    await chmod(folder, 0o777);
    await this.giveToGroup(state.pod, folder);
    return folder;
  }

  private async giveToGroup(pod: Pod, folder: string): Promise<void> {
    const { fsGroup, fsGroupChangePolicy } = pod.spec.securityContext ?? {};
    if (fsGroup !== undefined) await applyFsGroup(folder, fsGroup, fsGroupChangePolicy);
  }

  private async payloadFolder(state: PodState, volume: Volume): Promise<string> {
    const uid = state.pod.metadata.uid ?? '';
    if (!isSecretVolume(volume)) {
      return join(
        this.podFolder(uid),
        'volumes',
        volume.configMap === undefined ? 'kubernetes.io~downward-api' : 'kubernetes.io~configmap',
        volume.name,
      );
    }
    this.memoryReady ??= mountTmpfs(this.memoryFolder(), { mode: 0o700 });
    try {
      await this.memoryReady;
    } catch (error) {
      this.memoryReady = undefined;
      throw error;
    }
    return join(this.memoryFolder(), uid, volume.name);
  }

  /** Brings the folder to what it should hold now, and arranges to hear of the next change. */
  private async fill(
    state: PodState,
    own: VolumeState,
    volume: Volume,
    folder: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { payload, watch, renewAtMs, followsPod } = await gatherPayload(state.pod, volume, this.sources, signal);
    own.followsPod = followsPod;
    own.refreshFailures = 0;
    own.payload ??= await readPayload(folder);
    const groupId = state.pod.spec.securityContext?.fsGroup;
    if (own.payload === undefined || !samePayload(own.payload, payload))
      await writePayload(folder, payload, { groupId }, this.options.clock.now());
    own.payload = payload;
    if (state.ended.signal.aborted) return;
    this.watchSources(state, own, volume.name, watch);
    own.cancelRenewal?.();
    own.cancelRenewal =
      renewAtMs === undefined
        ? undefined
        : this.options.clock.after(renewAtMs - this.options.clock.now(), () => this.refresh(state, volume.name));
  }

  private watchSources(state: PodState, own: VolumeState, volumeName: string, wanted: readonly SourceRef[]): void {
    const keyOf = (ref: SourceRef): string => `${ref.kind}/${ref.name}`;
    const keys = new Set(wanted.map(keyOf));
    for (const [key, stop] of own.stopWatching) {
      if (keys.has(key)) continue;
      stop();
      own.stopWatching.delete(key);
    }
    for (const ref of wanted) {
      if (own.stopWatching.has(keyOf(ref))) continue;
      let isFirst = true;
      const onChange = (): void => {
        // The first state is the one that was just written, or newer; a newer one is no harm to write again.
        if (!isFirst) this.refresh(state, volumeName);
        isFirst = false;
      };
      const { objects } = this.options;
      const namespace = state.pod.metadata.namespace ?? '';
      const stop =
        ref.kind === 'secret'
          ? objects.watch(secrets, namespace, ref.name, onChange)
          : objects.watch(configMaps, namespace, ref.name, onChange);
      own.stopWatching.set(keyOf(ref), stop);
    }
  }

  /** Something that the volume shows has changed. Failures leave the old content and are tried again. */
  private refresh(state: PodState, name: string): void {
    const own = state.volumes.get(name);
    const volume = state.pod.spec.volumes?.find(v => v.name === name);
    if (own?.prepared === undefined || volume === undefined || state.ended.signal.aborted) return;
    const { hostPath } = own.prepared;
    this.inTurn(own, () =>
      state.ended.signal.aborted ? Promise.resolve() : this.fill(state, own, volume, hostPath, state.ended.signal),
    ).catch((error: unknown) => {
      if (state.ended.signal.aborted) return;
      // A source that goes shortly before its pod does is everyday: only what lasts is worth a warning.
      const fields = { pod: state.pod.metadata.name, volume: name, err: error };
      const message = 'a volume keeps its old content; trying again';
      if (own.refreshFailures++ === 0) this.options.logger.debug(fields, message);
      else this.options.logger.warn(fields, message);
      own.cancelRenewal?.();
      own.cancelRenewal = this.options.clock.after(REFRESH_RETRY_MS, () => this.refresh(state, name));
    });
  }
}

const REFRESH_RETRY_MS = 10_000;
