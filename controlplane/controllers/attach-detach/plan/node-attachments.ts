/**
 * What to attach to a node, and what to detach from it. Pure.
 *
 * A volume that its node says is in use is only detached when the node is out of service, or silent for six minutes; the node first reads
 * in its status that the volume is not attached any more.
 * Source: kubernetes `pkg/controller/volume/attachdetach/reconciler`; kubernetes.io/docs, "Non-graceful node shutdown".
 */
import type { AttachedVolume, Node } from '../../../../proto/api/core-v1.ts';
import type { VolumeAttachment } from '../../../../proto/api/storage-v1.ts';
import { parseUniqueVolumeName, volumeAttachmentName } from '../../../../machinery/meta/csi-names.ts';
import { findCondition } from '../../../../machinery/meta/object.ts';
import type { WantedVolume } from './wanted-volumes.ts';

export interface AttachmentView {
  readonly nodeName: string;
  /** Undefined: there is no such node any more. */
  readonly node: Node | undefined;
  readonly wanted: readonly WantedVolume[];
  /** Of this node. */
  readonly attachments: readonly VolumeAttachment[];
  /** Attachments of a persistent volume to other nodes. */
  readonly elsewhere: (volume: string) => readonly VolumeAttachment[];
  /** Since when an attachment is not wanted any more, milliseconds. */
  readonly unwantedSinceMs: (attachment: string) => number | undefined;
  readonly nowMs: number;
}

export interface AttachmentPlan {
  readonly create: readonly WantedVolume[];
  /** Wanted here, and attached to another node alone. */
  readonly blocked: readonly WantedVolume[];
  /** Not wanted and free to go. */
  readonly remove: readonly VolumeAttachment[];
  /** Not wanted, and not to be touched yet. */
  readonly waiting: readonly VolumeAttachment[];
  /** For the node's status. */
  readonly attached: readonly AttachedVolume[];
  /** When to look again, if nothing happens before. */
  readonly afterMs: number | undefined;
}

const FORCE_AFTER_MS = 360_000;
const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service';
/** Names that this controller gives; whoever makes others takes them away too. */
const OWN_NAME = /^csi-[0-9a-f]{64}$/;

export function planAttachments(view: AttachmentView): AttachmentPlan {
  const { nodeName, node, wanted, attachments, nowMs } = view;
  const byName = new Map(attachments.map(attachment => [attachment.metadata.name ?? '', attachment]));
  const absent = wanted.filter(({ attachment }) => !byName.has(attachment));
  const blocked = absent.filter(
    ({ volume }) => isExclusive(volume.spec.accessModes) && isElsewhere(view, volume.metadata.name),
  );
  const names = new Map(wanted.map(({ attachment, unique }) => [attachment, unique]));
  const inUse = attachmentsInUse(node, nodeName);
  const unwanted = attachments.filter(
    ({ metadata }) => !names.has(metadata.name ?? '') && OWN_NAME.test(metadata.name ?? ''),
  );
  const remove: VolumeAttachment[] = [];
  const waiting: VolumeAttachment[] = [];
  let afterMs: number | undefined;
  for (const attachment of unwanted) {
    const { name = '', deletionTimestamp } = attachment.metadata;
    if (deletionTimestamp !== undefined) continue;
    const leftMs =
      node === undefined || !inUse.has(name) ? 0 : forcedInMs(node, view.unwantedSinceMs(name) ?? nowMs, nowMs);
    if (leftMs === 0) remove.push(attachment);
    else {
      waiting.push(attachment);
      if (leftMs !== undefined) afterMs = Math.min(afterMs ?? leftMs, leftMs);
    }
  }
  const gone = new Set(remove);
  const attached = attachments
    .filter(attachment => attachment.status?.attached === true && attachment.metadata.deletionTimestamp === undefined)
    .filter(attachment => !gone.has(attachment))
    .flatMap(({ metadata }) => names.get(metadata.name ?? '') ?? inUse.get(metadata.name ?? '') ?? [])
    .sort()
    .map(name => ({ name, devicePath: '' }));
  return { create: absent.filter(volume => !blocked.includes(volume)), blocked, remove, waiting, attached, afterMs };
}

/** Names of attachments to the names of volumes that the node says are in use. */
function attachmentsInUse(node: Node | undefined, nodeName: string): Map<string, string> {
  return new Map(
    (node?.status?.volumesInUse ?? []).flatMap(unique => {
      const parsed = parseUniqueVolumeName(unique);
      if (parsed === undefined) return [];
      return [[volumeAttachmentName(parsed.driver, parsed.handle, nodeName), unique] as const];
    }),
  );
}

/** 0: now; undefined: not while the node is as it is. */
function forcedInMs(node: Node, sinceMs: number, nowMs: number): number | undefined {
  if ((node.spec?.taints ?? []).some(({ key }) => key === OUT_OF_SERVICE)) return 0;
  if (findCondition(node.status?.conditions, 'Ready')?.status === 'True') return undefined;
  return Math.max(0, sinceMs + FORCE_AFTER_MS - nowMs);
}

/** One node at a time may have it. */
function isExclusive(accessModes: readonly string[] | undefined): boolean {
  const modes = accessModes ?? [];
  return modes.length > 0 && !modes.includes('ReadWriteMany') && !modes.includes('ReadOnlyMany');
}

function isElsewhere(view: AttachmentView, volume: string | undefined): boolean {
  return view.elsewhere(volume ?? '').length > 0;
}

/** Upstream's text of a volume that another node has. @param others pods there that use it and that the reader may see, `NAMESPACE/NAME` */
export function multiAttachMessage(volume: string, others: readonly string[]): string {
  if (others.length > 0)
    return `Multi-Attach error for volume "${volume}" Volume is already used by pod(s) ${others.join(', ')}`;
  return `Multi-Attach error for volume "${volume}" Volume is already exclusively attached to one node and can't be attached to another`;
}
