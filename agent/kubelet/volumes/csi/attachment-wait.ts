/**
 * Waits until a volume is attached to this node, and gives what its attacher says of it.
 *
 * First the node's status says that the volume is in use here, then it is looked whether it is attached: so it is never detached under a
 * mount, since whoever detaches writes first that it is not attached any more, and then looks whether it is in use.
 * Source: kubernetes `pkg/volume/csi/csi_attacher.go`, `operation_generator.go` (VerifyControllerAttachedVolume).
 */
import { uniqueVolumeName, volumeAttachmentName } from '../../../../machinery/meta/csi-names.ts';
import type { Client } from '../../../../machinery/client/client.ts';
import { nodes, volumeAttachments } from '../../../../machinery/client/resource.ts';
import { isNotFound } from '../../../../machinery/meta/status-error-from.ts';
import type { Clock } from '../../../../machinery/process/clock.ts';
import type { VolumeAttachment } from '../../../../proto/api/storage-v1.ts';

export interface AttachmentWaitOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly nodeName: string;
  /** The volumes in use have changed: the node's status is due. */
  readonly reportInUse: () => void;
}

const PATIENCE_MS = 120_000;
const FIRST_LOOK_MS = 50;
const LAST_LOOK_MS = 1_000;

export class AttachmentWait {
  private readonly options: AttachmentWaitOptions;

  constructor(options: AttachmentWaitOptions) {
    this.options = options;
  }

  /**
   * For `publishContext`.
   * @throws Error saying who has to act when it takes too long or the attacher failed
   */
  async wait(driver: string, handle: string, signal: AbortSignal): Promise<Record<string, string>> {
    const { clock } = this.options;
    const untilMs = clock.monotonicMs() + PATIENCE_MS;
    for (let lookMs = FIRST_LOOK_MS; ; lookMs = Math.min(lookMs * 1.5, LAST_LOOK_MS)) {
      const missing = await this.look(driver, handle, signal);
      if (typeof missing !== 'string') return missing;
      if (clock.monotonicMs() >= untilMs) {
        const what = `timed out waiting for external-attacher of ${driver} CSI driver to attach volume ${handle}`;
        throw new Error(`${what}: ${missing}`);
      }
      await clock.sleep(lookMs, signal);
    }
  }

  /** What is still missing, in a sentence; or the context. */
  private async look(driver: string, handle: string, signal: AbortSignal): Promise<string | Record<string, string>> {
    const { client, nodeName, reportInUse } = this.options;
    const { status } = await client.of(nodes).get({ name: nodeName }, signal);
    const unique = uniqueVolumeName(driver, handle);
    if (status?.volumesInUse?.includes(unique) !== true) {
      reportInUse();
      return "the node's status does not yet name it in volumesInUse";
    }
    const attachment = await this.attachment(volumeAttachmentName(driver, handle, nodeName), signal);
    if (attachment === undefined) return 'the attach-detach controller has not made its VolumeAttachment';
    const { metadata, status: attached } = attachment;
    if (metadata.deletionTimestamp !== undefined) return `VolumeAttachment ${metadata.name ?? ''} is being deleted`;
    if (attached?.attached !== true) {
      const failed = attached?.attachError?.message;
      if (failed !== undefined) throw new Error(`${failed} (VolumeAttachment ${metadata.name ?? ''})`);
      return `the attacher has not set status.attached of VolumeAttachment ${metadata.name ?? ''}; does it run?`;
    }
    if (status.volumesAttached?.some(({ name }) => name === unique) !== true)
      return "the node's status does not yet name it in volumesAttached";
    return attached.attachmentMetadata ?? {};
  }

  private async attachment(name: string, signal: AbortSignal): Promise<VolumeAttachment | undefined> {
    try {
      return await this.options.client.of(volumeAttachments).get({ name }, signal);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }
}
