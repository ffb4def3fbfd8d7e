/**
 * Volumes that show objects and tokens as files: configMap, secret, downwardAPI, projected.
 *
 * - What may be secret lives in one memory file system of the kubelet's own: nothing of it reaches a disk, and no pod waits for a mount.
 * - What depends on an object follows it: one shared watch an object, one timer a token.
 */
import { readdir, rm } from 'node:fs/promises';
import { configMaps, secrets } from '../../../../machinery/client/resource.ts';
import type { Clock } from '../../../../machinery/process/clock.ts';
import type { Pod } from '../../../../proto/api/core-v1.ts';
import { uidOf } from '../../plan/pod-spec.ts';
import { readFilesystemUsage } from '../../../host/disk-usage.ts';
import { mountTmpfs } from '../../../host/mounts.ts';
import { readPayload, writePayload } from '../atomic-writer.ts';
import {
  gatherPayload,
  isPayloadVolume,
  isSecretVolume,
  type PayloadSources,
  type SourceRef,
} from '../gather-payload.ts';
import { samePayload, type Payload } from '../plan/volume-payload.ts';
import { volumeFolder, type VolumeKind, type VolumeRequest } from '../volume-kind.ts';
import type { PreparedVolume, VolumeUsage } from '../volume-manager.ts';

const PAGE_BYTES = 4096;

export interface PayloadVolumesOptions {
  readonly sources: PayloadSources;
  /** Absolute; holds what must not reach a disk: `UID/VOLUME`. */
  readonly memoryFolder: string;
  readonly clock: Clock;
}

/** What is shown now, and what is watched for the next change. */
interface Shown {
  payload: Payload | undefined;
  followsPod: boolean;
  refresh: () => void;
  readonly stopWatching: Map<string, () => void>;
  cancelRenewal: (() => void) | undefined;
}

export class PayloadVolumes implements VolumeKind {
  readonly plugins = ['kubernetes.io~configmap', 'kubernetes.io~downward-api'];
  private readonly options: PayloadVolumesOptions;
  /** By pod UID, then by volume. */
  private readonly shown = new Map<string, Map<string, Shown>>();
  private memoryReady: Promise<void> | undefined;

  constructor(options: PayloadVolumesOptions) {
    this.options = options;
  }

  owns = isPayloadVolume;

  /** Brings the folder to what it should hold now, and arranges to hear of the next change. */
  async prepare(request: VolumeRequest, signal: AbortSignal): Promise<PreparedVolume> {
    const { pod, volume } = request;
    const { clock, sources } = this.options;
    const own = this.shownBy(request);
    const folder = await this.folderOf(request);
    const { payload, watch, renewAtMs, followsPod } = await gatherPayload(pod, volume, sources, signal);
    own.followsPod = followsPod;
    own.payload ??= await readPayload(folder);
    const groupId = pod.spec.securityContext?.fsGroup;
    if (own.payload === undefined || !samePayload(own.payload, payload))
      await writePayload(folder, payload, { groupId }, clock.now());
    own.payload = payload;
    if (!request.ended.aborted) {
      this.watch(request, own, watch);
      own.cancelRenewal?.();
      own.cancelRenewal = renewAtMs === undefined ? undefined : clock.after(renewAtMs - clock.now(), own.refresh);
    }
    return { hostPath: folder, readOnly: true, selinuxRelabel: true };
  }

  async usage({ pod, volume }: VolumeRequest): Promise<VolumeUsage | undefined> {
    const payload = this.shown.get(uidOf(pod))?.get(volume.name)?.payload;
    if (payload === undefined || !isSecretVolume(volume)) return undefined;
    const pages = [...payload.values()].reduce((sum, { data }) => sum + Math.ceil(data.length / PAGE_BYTES), 0);
    const whole = await readFilesystemUsage(this.options.memoryFolder);
    return { ...whole, usedBytes: pages * PAGE_BYTES, inodesUsed: payload.size };
  }

  podChanged(pod: Pod): void {
    for (const own of this.shown.get(uidOf(pod))?.values() ?? []) if (own.followsPod) own.refresh();
  }

  async forgetPod(podUid: string): Promise<void> {
    this.options.sources.tokens.forget(podUid);
    await rm(`${this.options.memoryFolder}/${podUid}`, { recursive: true, force: true });
  }

  async podsOnDisk(): Promise<readonly string[]> {
    return readdir(this.options.memoryFolder).catch(() => []);
  }

  private shownBy(request: VolumeRequest): Shown {
    const uid = uidOf(request.pod);
    const ofPod = this.shown.get(uid) ?? new Map<string, Shown>();
    const known = ofPod.get(request.volume.name);
    if (known !== undefined) return known;
    const own: Shown = {
      payload: undefined,
      followsPod: false,
      refresh: request.refresh,
      stopWatching: new Map(),
      cancelRenewal: undefined,
    };
    this.shown.set(uid, ofPod.set(request.volume.name, own));
    request.ended.addEventListener(
      'abort',
      () => {
        own.cancelRenewal?.();
        for (const stop of own.stopWatching.values()) stop();
        ofPod.delete(request.volume.name);
        if (ofPod.size === 0 && this.shown.get(uid) === ofPod) this.shown.delete(uid);
      },
      { once: true },
    );
    return own;
  }

  private async folderOf(request: VolumeRequest): Promise<string> {
    const { pod, volume } = request;
    if (!isSecretVolume(volume))
      return volumeFolder(
        request,
        volume.configMap === undefined ? 'kubernetes.io~downward-api' : 'kubernetes.io~configmap',
      );
    this.memoryReady ??= mountTmpfs(this.options.memoryFolder, { mode: 0o700 });
    try {
      await this.memoryReady;
    } catch (error) {
      this.memoryReady = undefined;
      throw error;
    }
    return `${this.options.memoryFolder}/${uidOf(pod)}/${volume.name}`;
  }

  private watch({ pod }: VolumeRequest, own: Shown, wanted: readonly SourceRef[]): void {
    const keyOf = (ref: SourceRef): string => `${ref.kind}/${ref.name}`;
    const keys = new Set(wanted.map(keyOf));
    for (const [key, stop] of own.stopWatching) {
      if (keys.has(key)) continue;
      stop();
      own.stopWatching.delete(key);
    }
    const { objects } = this.options.sources;
    const namespace = pod.metadata.namespace ?? '';
    for (const ref of wanted) {
      if (own.stopWatching.has(keyOf(ref))) continue;
      let isFirst = true;
      const onChange = (): void => {
        // The first state is the one that was just written, or newer; a newer one is no harm to write again.
        if (!isFirst) own.refresh();
        isFirst = false;
      };
      const stop =
        ref.kind === 'secret'
          ? objects.watch(secrets, namespace, ref.name, onChange)
          : objects.watch(configMaps, namespace, ref.name, onChange);
      own.stopWatching.set(keyOf(ref), stop);
    }
  }
}
