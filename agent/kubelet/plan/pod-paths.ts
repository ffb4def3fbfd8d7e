/** Where a pod's files are on the node. Only joins; nothing here looks at the disk. */
import type { Pod } from '../../../proto/api/core-v1.ts';

/** Folders that the kubelet owns. Absolute. */
export interface KubeletFolders {
  /** State: `pods/UID/...`; upstream's /var/lib/kubelet. */
  readonly root: string;
  /** `NS_NAME_UID/CONTAINER/N.log`; upstream's /var/log/pods. */
  readonly podLogs: string;
  /** Links by container; upstream's /var/log/containers. */
  readonly containerLogs: string;
}

export function podsFolder(folders: KubeletFolders): string {
  return `${folders.root}/pods`;
}

export function podFolder(folders: KubeletFolders, uid: string): string {
  return `${folders.root}/pods/${uid}`;
}

export function hostsFilePath(folders: KubeletFolders, uid: string): string {
  return `${podFolder(folders, uid)}/etc-hosts`;
}

/** Of one attempt, so that a restart never reads the message of the one before. */
export function terminationMessagePath(
  folders: KubeletFolders,
  uid: string,
  container: string,
  attempt: number,
): string {
  return `${podFolder(folders, uid)}/containers/${container}/${attempt}`;
}

export function podLogFolder(folders: KubeletFolders, pod: Pod): string {
  const { namespace = '', name = '', uid = '' } = pod.metadata;
  return `${folders.podLogs}/${namespace}_${name}_${uid}`;
}

/** Relative to the sandbox's log folder. */
export function containerLogName(container: string, attempt: number): string {
  return `${container}/${attempt}.log`;
}

/** The link by which log shippers find a container's log. */
export function containerLogLink(folders: KubeletFolders, pod: Pod, container: string, containerId: string): string {
  const { namespace = '', name = '' } = pod.metadata;
  return `${folders.containerLogs}/${name}_${namespace}_${container}-${containerId}.log`;
}

/** The UID in a log folder's name; undefined if it is no pod's. */
export function uidOfLogFolder(folder: string): string | undefined {
  const parts = folder.split('_');
  return parts.length === 3 ? parts[2] : undefined;
}
