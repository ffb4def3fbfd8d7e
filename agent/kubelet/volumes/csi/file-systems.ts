/**
 * Volumes that pods get as file systems: staged once a node, published once a pod, and back.
 *
 * What was begun stands in `vol_data.json` before the driver is asked, and goes after the driver has said that it is undone: whoever
 * comes after a crash goes on from there.
 * Source: kubernetes `pkg/volume/csi/csi_mounter.go`, csi_attacher.go.
 */
import { uniqueVolumeName } from '../../../../machinery/meta/csi-names.ts';
import { mkdir, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { subjectOf } from '../../../../machinery/client/event-recorder.ts';
import { pods } from '../../../../machinery/client/resource.ts';
import { releaseMounts } from '../../../host/release-mounts.ts';
import { isMountPoint, readMountinfo } from '../../../host/mountinfo.ts';
import { giveToPodGroup } from '../pod-group.ts';
import { volumeFolder, type VolumeOnDisk } from '../volume-kind.ts';
import { CsiError, type CsiClient } from './csi-client.ts';
import type { CsiContext } from './csi-context.ts';
import { failed, type CsiOrder } from './csi-order.ts';
import { CSI_PLUGIN, mountPath, stageFolder, stagePath } from './plan/csi-paths.ts';
import { planGroup } from './plan/csi-volume.ts';
import { volumeCapability } from './plan/volume-capability.ts';
import type { PublishInputs } from './publish-inputs.ts';
import { StagingCalls } from './staging-calls.ts';
import { readVolumeData, removeVolumeData, writeVolumeData, type VolumeData } from './volume-data.ts';
import { otherUsers } from './volume-users.ts';

/** Where the driver has put a volume. */
export interface PublishedAt {
  /** What pods see of it. */
  readonly path: string;
  /** '' when the driver does not stage. */
  readonly stagingPath: string;
}

export class FileSystems {
  private readonly context: CsiContext;
  private readonly inputs: PublishInputs;
  private readonly calls: StagingCalls;

  constructor(context: CsiContext, inputs: PublishInputs) {
    this.context = context;
    this.inputs = inputs;
    this.calls = new StagingCalls(context, inputs);
  }

  /**
   * Runs in the volume's turn. @param again publishes also what is published
   * @throws VolumeError
   */
  async mount(order: CsiOrder, data: VolumeData, again: boolean, signal: AbortSignal): Promise<PublishedAt> {
    const { client, pod, volume, request, object } = order;
    const folder = volumeFolder(request, CSI_PLUGIN);
    await mkdir(folder, { recursive: true, mode: 0o750 });
    await writeVolumeData(folder, data);
    const canDelegate = await client.can('VOLUME_MOUNT_GROUP', signal);
    const group = planGroup(volume, pod.spec.securityContext?.fsGroup, object, canDelegate);
    const capability = volumeCapability(volume, {
      tellsWritersApart: await client.can('SINGLE_NODE_MULTI_WRITER', signal),
      mountGroup: group.delegated,
      seLinuxOption: await this.inputs.seLinuxOption(order),
    });
    const path = mountPath(folder);
    const isStaging = volume.lifecycle === 'Persistent' && (await client.can('STAGE_UNSTAGE_VOLUME', signal));
    const stagingPath = isStaging ? stagePath(this.context.root, volume.driver, volume.handle) : '';
    if (isStaging) {
      const note = (): Promise<void> => writeVolumeData(dirname(stagingPath), data);
      await this.calls.stage(order, { capability, stagingPath, step: 'MountVolume.MountDevice' }, signal, note);
    }
    if (again || !isMountPoint(await readMountinfo(), path))
      await this.calls.publish(order, { capability, stagingPath, path, step: 'MountVolume.SetUp' }, signal);
    if (group.change && !again) await this.giveToGroup(order, path, signal);
    return { path, stagingPath };
  }

  private async giveToGroup(order: CsiOrder, path: string, signal: AbortSignal): Promise<void> {
    const { files, recorder } = this.context;
    try {
      await giveToPodGroup(files, order.pod, path, signal, (pod, reason, message) =>
        recorder.event(subjectOf(pods, pod), 'Warning', reason, message),
      );
    } catch (error) {
      signal.throwIfAborted();
      throw failed('MountVolume.SetUp', order, new Error(`applyFSGroup failed: ${(error as Error).message}`));
    }
  }

  /** Runs in the volume's turn. @returns whether nobody on this node has the volume any more */
  async unmount(place: VolumeOnDisk, data: VolumeData, client: CsiClient, signal: AbortSignal): Promise<boolean> {
    const { driverName, volumeHandle } = data;
    const path = mountPath(place.folder);
    await ignoreGone(client.unpublish(volumeHandle, path, signal));
    await releaseMounts(path);
    const isLast = (await otherUsers(this.context.root, data, place.podUid)).length === 0;
    if (isLast) await this.unstage(driverName, volumeHandle, client, signal);
    await removeEmpty(path);
    await removeVolumeData(place.folder);
    await removeEmpty(place.folder);
    return isLast;
  }

  /** Of what is not staged, nothing. */
  async unstage(driver: string, handle: string, client: CsiClient, signal: AbortSignal): Promise<void> {
    const folder = stageFolder(this.context.root, driver, handle);
    const data = await readVolumeData(folder);
    if (data === undefined) return;
    const path = stagePath(this.context.root, driver, handle);
    await ignoreGone(client.unstage(handle, path, signal));
    await releaseMounts(path);
    await removeEmpty(path);
    await removeVolumeData(folder);
    await removeEmpty(folder);
    this.calls.unstaged(uniqueVolumeName(driver, handle));
  }
}

/** Differs: a volume that its driver no longer knows keeps no pod. */
async function ignoreGone(call: Promise<void>): Promise<void> {
  await call.catch((error: unknown) => {
    if (!(error instanceof CsiError && error.grpcCode === 'NotFound')) throw error;
  });
}

/** Never more than the folder itself: what a driver left in it may be somebody's data. @throws Error naming it when it is not empty */
async function removeEmpty(folder: string): Promise<void> {
  try {
    await rmdir(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return;
    if (code === 'ENOTEMPTY')
      throw new Error(`${folder} is not empty after the driver has let go of it`, { cause: error });
    throw error;
  }
}
