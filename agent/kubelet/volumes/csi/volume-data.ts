/**
 * `vol_data.json`: what it takes to take a volume away, kept beside it, so that neither the API nor anybody's memory is needed. Keys are
 * upstream's.
 */
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../../../../machinery/process/write-file-atomic.ts';
import type { Lifecycle } from './plan/csi-volume.ts';
import { VOLUME_DATA } from './plan/csi-paths.ts';

export interface VolumeData {
  readonly driverName: string;
  readonly volumeHandle: string;
  /** The persistent volume's name, or the pod's entry. */
  readonly specVolID: string;
  readonly nodeName: string;
  /** Name of its VolumeAttachment; '' when it needs none. */
  readonly attachmentID: string;
  readonly volumeLifecycleMode: Lifecycle;
}

/** Undefined when there is none, or none that can be read: then nothing was asked of a driver. */
export async function readVolumeData(folder: string): Promise<VolumeData | undefined> {
  try {
    const data = JSON.parse(await readFile(join(folder, VOLUME_DATA), 'utf8')) as Partial<VolumeData>;
    if (data.driverName === undefined || data.volumeHandle === undefined) return undefined;
    const { driverName, volumeHandle, specVolID = '', nodeName = '', attachmentID = '' } = data;
    const volumeLifecycleMode = data.volumeLifecycleMode ?? 'Persistent';
    return { driverName, volumeHandle, specVolID, nodeName, attachmentID, volumeLifecycleMode };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Written before the driver is asked for anything. */
export async function writeVolumeData(folder: string, data: VolumeData): Promise<void> {
  await writeFileAtomic(join(folder, VOLUME_DATA), JSON.stringify(data));
}

/** And what a kubelet that was killed had half written. */
export async function removeVolumeData(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const mine = names.filter(name => name === VOLUME_DATA || name.startsWith(`${VOLUME_DATA}.`));
  await Promise.all(mine.map(name => rm(join(folder, name), { force: true })));
}
