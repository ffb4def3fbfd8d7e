/** Names by which nodes and the attach-detach controller mean the same volume of a CSI driver. Source: kubernetes `pkg/volume/csi`. */
import { createHash } from 'node:crypto';

const PREFIX = 'kubernetes.io/csi/';

/** In `node.status.volumesInUse` and `volumesAttached`. */
export function uniqueVolumeName(driver: string, handle: string): string {
  return `${PREFIX}${driver}^${handle}`;
}

/** The inverse; undefined for names of other volumes. */
export function parseUniqueVolumeName(name: string): { driver: string; handle: string } | undefined {
  const at = name.indexOf('^');
  if (!name.startsWith(PREFIX) || at < 0) return undefined;
  return { driver: name.slice(PREFIX.length, at), handle: name.slice(at + 1) };
}

/** Of the VolumeAttachment of a volume on a node. */
export function volumeAttachmentName(driver: string, handle: string, nodeName: string): string {
  return `csi-${createHash('sha256').update(`${handle}${driver}${nodeName}`).digest('hex')}`;
}
