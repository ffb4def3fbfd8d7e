/**
 * Where volumes of CSI drivers lie, by upstream's names, so that drivers and people find them. Only joins and hashes.
 * Source: kubernetes `pkg/volume/csi`, csi_attacher.go, csi_mounter.go, csi_block.go.
 */
import { createHash } from 'node:crypto';

/** Folder of the kind in `pods/UID/volumes` and `pods/UID/volumeDevices`. */
export const CSI_PLUGIN = 'kubernetes.io~csi';
/** File that says how to take a volume away again. */
export const VOLUME_DATA = 'vol_data.json';

/** @param root the kubelet's root folder */
export function csiFolder(root: string): string {
  return `${root}/plugins/kubernetes.io/csi`;
}

/** Holds `globalmount` and the volume's data. */
export function stageFolder(root: string, driver: string, handle: string): string {
  return `${csiFolder(root)}/${driver}/${sha256(handle)}`;
}

/** Where the driver stages a file system. */
export function stagePath(root: string, driver: string, handle: string): string {
  return `${stageFolder(root, driver, handle)}/globalmount`;
}

/** @param volumeFolder `pods/UID/volumes/kubernetes.io~csi/NAME` */
export function mountPath(volumeFolder: string): string {
  return `${volumeFolder}/mount`;
}

/** @param name the persistent volume's */
export interface BlockPaths {
  /** Data of the volume. */
  readonly dataFolder: string;
  readonly staging: string;
  /** One file a pod, by its UID. */
  readonly publishFolder: string;
  /** One link a pod, by its UID, to what was published for it. */
  readonly mapFolder: string;
}

/** @param name the persistent volume's */
export function blockPaths(root: string, name: string): BlockPaths {
  const devices = `${csiFolder(root)}/volumeDevices`;
  return {
    dataFolder: `${devices}/${name}/data`,
    staging: `${devices}/staging/${name}`,
    publishFolder: `${devices}/publish/${name}`,
    mapFolder: `${devices}/${name}/dev`,
  };
}

/** Handle of a volume that a pod itself describes. */
export function inlineHandle(podUid: string, volumeName: string): string {
  return `csi-${sha256(`${podUid}${volumeName}`)}`;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
