/**
 * Volumes that pods get as devices (`volumeMode: Block`): staged once a node, published to a file a pod, and a link to that in the pod's
 * folder, which is there before anything else: so whoever comes after a crash finds it.
 * Source: kubernetes `pkg/volume/csi/csi_block.go`.
 */
import { uniqueVolumeName } from '../../../../machinery/meta/csi-names.ts';
import { mkdir, readdir, rm, rmdir, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { releaseMounts } from '../../../host/release-mounts.ts';
import { isMountPoint, readMountinfo } from '../../../host/mountinfo.ts';
import type { VolumeOnDisk } from '../volume-kind.ts';
import type { CsiClient } from './csi-client.ts';
import type { CsiContext } from './csi-context.ts';
import type { CsiOrder } from './csi-order.ts';
import type { PublishedAt } from './file-systems.ts';
import { blockPaths, CSI_PLUGIN, type BlockPaths } from './plan/csi-paths.ts';
import { volumeCapability } from './plan/volume-capability.ts';
import type { PublishInputs } from './publish-inputs.ts';
import { StagingCalls } from './staging-calls.ts';
import { readVolumeData, removeVolumeData, writeVolumeData, type VolumeData } from './volume-data.ts';

export class BlockDevices {
  private readonly context: CsiContext;
  private readonly calls: StagingCalls;

  constructor(context: CsiContext, inputs: PublishInputs) {
    this.context = context;
    this.calls = new StagingCalls(context, inputs);
  }

  /** The data of a device that a pod's link stands for. */
  data(name: string): Promise<VolumeData | undefined> {
    return readVolumeData(blockPaths(this.context.root, name).dataFolder);
  }

  /** Runs in the volume's turn. @throws VolumeError */
  async map(order: CsiOrder, data: VolumeData, signal: AbortSignal): Promise<PublishedAt> {
    const { client, pod, volume, request } = order;
    const paths = blockPaths(this.context.root, volume.name);
    const { uid = '' } = pod.metadata;
    const path = join(paths.publishFolder, uid);
    await mkdir(paths.dataFolder, { recursive: true, mode: 0o750 });
    await writeVolumeData(paths.dataFolder, data);
    await link(path, join(request.podFolder, 'volumeDevices', CSI_PLUGIN, volume.name));
    await link(path, join(paths.mapFolder, uid));
    await mkdir(paths.publishFolder, { recursive: true, mode: 0o750 });
    const capability = volumeCapability(volume, {
      tellsWritersApart: await client.can('SINGLE_NODE_MULTI_WRITER', signal),
      mountGroup: '',
      seLinuxOption: '',
    });
    const isStaging = await client.can('STAGE_UNSTAGE_VOLUME', signal);
    const stagingPath = isStaging ? paths.staging : '';
    if (isStaging) await this.calls.stage(order, { capability, stagingPath, step: 'MapVolume.SetUpDevice' }, signal);
    if (!isMountPoint(await readMountinfo(), path))
      await this.calls.publish(order, { capability, stagingPath, path, step: 'MapVolume.MapPodDevice' }, signal);
    return { path, stagingPath };
  }

  /** Runs in the volume's turn. @returns whether nobody on this node has the volume any more */
  async unmap(place: VolumeOnDisk, data: VolumeData, client: CsiClient, signal: AbortSignal): Promise<boolean> {
    const paths = blockPaths(this.context.root, place.name);
    const path = join(paths.publishFolder, place.podUid);
    await client.unpublish(data.volumeHandle, path, signal);
    await releaseMounts(path);
    await rm(path, { force: true });
    const others = (await names(paths.mapFolder)).filter(uid => uid !== place.podUid);
    const isLast = others.length === 0;
    if (isLast && (await client.can('STAGE_UNSTAGE_VOLUME', signal))) {
      await client.unstage(data.volumeHandle, paths.staging, signal);
      this.calls.unstaged(uniqueVolumeName(data.driverName, data.volumeHandle));
    }
    await rm(join(paths.mapFolder, place.podUid), { force: true });
    if (isLast) await removeFolders(paths);
    await rm(place.folder, { force: true });
    return isLast;
  }
}

async function removeFolders(paths: BlockPaths): Promise<void> {
  await releaseMounts(paths.staging);
  await removeVolumeData(paths.dataFolder);
  for (const folder of [
    paths.staging,
    paths.publishFolder,
    paths.mapFolder,
    paths.dataFolder,
    dirname(paths.dataFolder),
  ])
    await rmdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
}

async function link(target: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o750 });
  await symlink(target, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
}

async function names(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
