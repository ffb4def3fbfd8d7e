/**
 * Volumes of CSI drivers, in pods' own entries and by claims.
 *
 * - One operation a volume at a time across pods; other volumes, and so other drivers, never wait.
 * - Taking away goes by `vol_data.json`: it is the same after a crash, and without the API.
 * Source: kubernetes `pkg/volume/csi`; CSI specification 1.11.
 */
import { uniqueVolumeName, volumeAttachmentName } from '../../../../machinery/meta/csi-names.ts';
import { rm, rmdir } from 'node:fs/promises';
import { subjectOf } from '../../../../machinery/client/event-recorder.ts';
import { csiDrivers, pods } from '../../../../machinery/client/resource.ts';
import type { Pod, Volume } from '../../../../proto/api/core-v1.ts';
import { errorText } from '../../../../machinery/meta/error-text.ts';
import { uidOf } from '../../plan/pod-spec.ts';
import { releaseMounts } from '../../../host/release-mounts.ts';
import { checkAnswers } from '../check-answers.ts';
import type { BoundClaim, VolumeKind, VolumeOnDisk, VolumeRequest } from '../volume-kind.ts';
import type { PreparedVolume, VolumeUsage } from '../volume-manager.ts';
import type { AllocatableUpdates } from './allocatable-updates.ts';
import type { AttachmentWait } from './attachment-wait.ts';
import type { BlockDevices } from './block-devices.ts';
import type { CsiContext } from './csi-context.ts';
import type { CsiDrivers } from './csi-drivers.ts';
import { failed, stageOf, uniqueOf, type CsiOrder } from './csi-order.ts';
import type { FileSystems } from './file-systems.ts';
import { CSI_PLUGIN, mountPath, stagePath } from './plan/csi-paths.ts';
import { csiVolume, lifecycleProblem, needsAttach, type CsiVolume } from './plan/csi-volume.ts';
import { volumeUsage } from './plan/volume-usage.ts';
import type { PublishInputs } from './publish-inputs.ts';
import { readVolumeData, removeVolumeData, type VolumeData } from './volume-data.ts';
import type { VolumeExpansion } from './volume-expansion.ts';
import type { VolumeTurns } from './volume-turns.ts';
import { otherUsers, stagedVolumes } from './volume-users.ts';
import type { VolumesInUse } from './volumes-in-use.ts';

export interface CsiVolumesParts {
  readonly context: CsiContext;
  readonly drivers: CsiDrivers;
  readonly updates: AllocatableUpdates;
  readonly attachments: AttachmentWait;
  readonly fileSystems: FileSystems;
  readonly blockDevices: BlockDevices;
  readonly expansion: VolumeExpansion;
  readonly inputs: PublishInputs;
  readonly turns: VolumeTurns;
  readonly inUse: VolumesInUse;
}

/** As upstream's kubelet, which looks at each pod this often. */
const REPUBLISH_MS = 60_000;

export class CsiVolumes implements VolumeKind {
  readonly plugins = [CSI_PLUGIN];
  private readonly parts: CsiVolumesParts;
  private readonly pods = new Map<string, Pod>();
  /** Names of volumes that this process has published, by pod. */
  private readonly published = new Map<string, Set<string>>();

  constructor(parts: CsiVolumesParts) {
    this.parts = parts;
  }

  owns(volume: Volume, bound: BoundClaim | undefined): boolean {
    return (bound === undefined ? volume.csi : bound.volume.spec.csi) !== undefined;
  }

  async prepare(request: VolumeRequest, signal: AbortSignal): Promise<PreparedVolume> {
    const { pod } = request;
    const volume = volumeOf(request);
    this.pods.set(uidOf(pod), pod);
    try {
      const order = await this.orderFor(request, volume, signal);
      return await this.make(order, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw failed(volume.isBlock ? 'MapVolume.SetUpDevice' : 'MountVolume.SetUp', { request, volume }, error);
    }
  }

  /** A file system that hangs keeps its containers from being started; a device is opened by nobody but the container. */
  check(_: VolumeRequest, prepared: PreparedVolume, signal: AbortSignal): Promise<void> {
    return checkAnswers(this.parts.context.files, prepared, signal);
  }

  async teardown(place: VolumeOnDisk, signal: AbortSignal): Promise<void> {
    const { drivers, turns, inUse, blockDevices, fileSystems, context } = this.parts;
    const data = place.isBlock ? await blockDevices.data(place.name) : await readVolumeData(place.folder);
    if (data === undefined) return removeUnused(place);
    try {
      const client = await drivers.client(data.driverName, signal);
      const unique = uniqueVolumeName(data.driverName, data.volumeHandle);
      await turns.run(unique, signal, async () => {
        const act = (): Promise<boolean> =>
          place.isBlock
            ? blockDevices.unmap(place, data, client, signal)
            : fileSystems.unmount(place, data, client, signal);
        const pod = this.pods.get(place.podUid);
        const isLast = await (pod === undefined
          ? act()
          : context.stages.watch(stageOf(pod, data.driverName, data.specVolID, 'Unmounting'), act));
        if (isLast) inUse.released(unique);
      });
    } catch (error) {
      signal.throwIfAborted();
      const why = errorText(error);
      throw new Error(`UnmountVolume.TearDown failed for volume "${data.specVolID}" : ${why}`, { cause: error });
    }
  }

  forgetPod(podUid: string): Promise<void> {
    this.pods.delete(podUid);
    this.published.delete(podUid);
    this.parts.inputs.forgetPod(podUid);
    return Promise.resolve();
  }

  inUse(): readonly string[] {
    return this.parts.inUse.names();
  }

  async usage(request: VolumeRequest, prepared: PreparedVolume, signal: AbortSignal): Promise<VolumeUsage | undefined> {
    const { context, drivers } = this.parts;
    const volume = volumeOf(request);
    const client = await drivers.client(volume.driver, signal);
    if (!(await client.can('GET_VOLUME_STATS', signal))) return undefined;
    const isStaged = volume.lifecycle === 'Persistent' && (await client.can('STAGE_UNSTAGE_VOLUME', signal));
    const stagingTargetPath = isStaged ? stagePath(context.root, volume.driver, volume.handle) : '';
    const volumePath = prepared.devicePath ?? prepared.hostPath;
    const answer = await client.stats({ volumeId: volume.handle, volumePath, stagingTargetPath }, signal);
    if (answer.volumeCondition?.abnormal === true && (await client.can('VOLUME_CONDITION', signal))) {
      const message = `Volume ${request.volume.name}: ${answer.volumeCondition.message}`;
      context.recorder.event(subjectOf(pods, request.pod), 'Warning', 'VolumeConditionAbnormal', message);
    }
    return volumeUsage(answer);
  }

  /** Unstages what no pod has: a process before this one ended in between. */
  async sweep(driver: string, signal: AbortSignal): Promise<void> {
    const { context, drivers, turns, fileSystems, inUse } = this.parts;
    for (const { data } of await stagedVolumes(context.root)) {
      if (data.driverName !== driver) continue;
      const unique = uniqueVolumeName(driver, data.volumeHandle);
      await turns.run(unique, signal, async () => {
        if ((await otherUsers(context.root, data, '')).length > 0) return;
        await fileSystems.unstage(driver, data.volumeHandle, await drivers.client(driver, signal), signal);
        inUse.released(unique);
      });
    }
  }

  private async orderFor(request: VolumeRequest, volume: CsiVolume, signal: AbortSignal): Promise<CsiOrder> {
    const { drivers, updates, attachments, context, inUse } = this.parts;
    const client = await drivers.client(volume.driver, signal);
    const object = await context.objects.get(csiDrivers, '', volume.driver, signal);
    updates.follow(volume.driver, object);
    const problem = lifecycleProblem(volume, object);
    if (problem !== undefined) throw new Error(problem);
    const unique = uniqueOf(volume);
    const order = { request, pod: request.pod, volume, unique, object, client };
    if (!needsAttach(volume, object)) return { ...order, publishContext: {}, attachmentId: '' };
    inUse.want(unique, `${uidOf(request.pod)}/${volume.name}`, request.ended);
    try {
      const publishContext = await attachments.wait(volume.driver, volume.handle, signal);
      const attachmentId = volumeAttachmentName(volume.driver, volume.handle, context.nodeName);
      return { ...order, publishContext, attachmentId };
    } catch (error) {
      signal.throwIfAborted();
      throw failed('MountVolume.WaitForAttach', { request, volume }, error);
    }
  }

  private async make(order: CsiOrder, signal: AbortSignal): Promise<PreparedVolume> {
    const { context, turns, fileSystems, blockDevices, expansion, inputs, inUse } = this.parts;
    const { volume, pod, object, attachmentId, unique, request } = order;
    const { uid = '' } = pod.metadata;
    const published = this.published.get(uid) ?? new Set();
    const again = published.has(volume.name);
    const data: VolumeData = {
      driverName: volume.driver,
      volumeHandle: volume.handle,
      specVolID: volume.name,
      nodeName: context.nodeName,
      attachmentID: attachmentId,
      volumeLifecycleMode: volume.lifecycle,
    };
    const at = await turns.run(unique, signal, () => {
      if (attachmentId !== '') inUse.placed(unique);
      return volume.isBlock
        ? blockDevices.map(order, data, signal)
        : fileSystems.mount(order, data, again && object?.spec.requiresRepublish === true, signal);
    });
    this.published.set(uid, published.add(volume.name));
    if (!again && volume.lifecycle === 'Persistent') expansion.follow(order, at);
    if (object?.spec.requiresRepublish === true) this.republishLater(request);
    const { readOnly } = volume;
    if (volume.isBlock) return { hostPath: '', devicePath: at.path, readOnly, selinuxRelabel: false };
    // What was labelled as a whole is not labelled file by file.
    const selinuxRelabel = !readOnly && (await inputs.seLinuxOption(order)) === '';
    return { hostPath: at.path, readOnly, selinuxRelabel };
  }

  private republishLater({ refresh, ended }: VolumeRequest): void {
    const cancel = this.parts.context.clock.after(REPUBLISH_MS, () => {
      ended.removeEventListener('abort', cancel);
      refresh();
    });
    ended.addEventListener('abort', cancel, { once: true });
  }
}

function volumeOf({ volume, bound, pod, readOnly }: VolumeRequest): CsiVolume {
  const { uid = '', namespace = '' } = pod.metadata;
  return csiVolume({ volume, persistentVolume: bound?.volume, podUid: uid, namespace, readOnly });
}

/** No driver was asked for anything there. */
async function removeUnused({ folder, isBlock }: VolumeOnDisk): Promise<void> {
  if (isBlock) return rm(folder, { force: true });
  await releaseMounts(folder);
  await removeVolumeData(folder);
  for (const path of [mountPath(folder), folder]) await rmdir(path).catch(() => undefined);
}
