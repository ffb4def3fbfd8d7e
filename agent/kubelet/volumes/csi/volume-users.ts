/** Which volumes of CSI drivers are on this node, from the disk alone. */
import { uniqueVolumeName } from '../../../../machinery/meta/csi-names.ts';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { blockPaths, CSI_PLUGIN, csiFolder } from './plan/csi-paths.ts';
import { readVolumeData, type VolumeData } from './volume-data.ts';

/** One volume that a pod has, or that is staged. */
export interface VolumeFound {
  /** Undefined: staged only. */
  readonly podUid: string | undefined;
  readonly folder: string;
  readonly data: VolumeData;
}

/** File systems of pods. */
async function podVolumes(root: string): Promise<VolumeFound[]> {
  const pods = await names(join(root, 'pods'));
  const found = await Promise.all(
    pods.map(async podUid => {
      const folder = join(root, 'pods', podUid, 'volumes', CSI_PLUGIN);
      return withData(
        podUid,
        (await names(folder)).map(name => join(folder, name)),
      );
    }),
  );
  return found.flat();
}

/** File systems that are staged. */
export async function stagedVolumes(root: string): Promise<VolumeFound[]> {
  const drivers = (await names(csiFolder(root))).filter(name => name !== 'volumeDevices');
  const folders = await Promise.all(
    drivers.map(async driver =>
      (await names(join(csiFolder(root), driver))).map(hash => join(csiFolder(root), driver, hash)),
    ),
  );
  return withData(undefined, folders.flat());
}

/** Devices, staged or published. */
async function blockVolumes(root: string): Promise<VolumeFound[]> {
  const known = (await names(join(csiFolder(root), 'volumeDevices'))).filter(n => n !== 'staging' && n !== 'publish');
  return withData(
    undefined,
    known.map(name => blockPaths(root, name).dataFolder),
  );
}

/** Pods that have the file system, but for one. */
export async function otherUsers(root: string, data: VolumeData, podUid: string): Promise<string[]> {
  const wanted = uniqueVolumeName(data.driverName, data.volumeHandle);
  return (await podVolumes(root)).flatMap(({ podUid: user, data: theirs }) =>
    user !== undefined && user !== podUid && uniqueVolumeName(theirs.driverName, theirs.volumeHandle) === wanted
      ? [user]
      : [],
  );
}

/** Names of all volumes that are attached for pods of this node. */
export async function attachedVolumes(root: string): Promise<Set<string>> {
  const all = await Promise.all([podVolumes(root), stagedVolumes(root), blockVolumes(root)]);
  return new Set(
    all
      .flat()
      .filter(({ data }) => data.attachmentID !== '')
      .map(({ data }) => uniqueVolumeName(data.driverName, data.volumeHandle)),
  );
}

async function withData(podUid: string | undefined, folders: readonly string[]): Promise<VolumeFound[]> {
  const read = await Promise.all(folders.map(async folder => ({ folder, data: await readVolumeData(folder) })));
  return read.flatMap(({ folder, data }) => (data === undefined ? [] : [{ podUid, folder, data }]));
}

async function names(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
