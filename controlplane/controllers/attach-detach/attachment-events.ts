/** Tells pods what comes of the attaching of their volumes: each outcome once. */
import type { VolumeAttachment } from '../../../proto/api/storage-v1.ts';
import { subjectOf, type EventSink } from '../../../machinery/client/event-recorder.ts';
import { pods } from '../../../machinery/client/resource.ts';
import type { WantedVolume } from './plan/wanted-volumes.ts';

export class AttachmentEvents {
  private readonly events: EventSink;
  /** What was last told, by attachment. */
  private readonly told = new Map<string, string>();

  constructor(events: EventSink) {
    this.events = events;
  }

  /** @param wanted volumes of one node @param attachments of the same */
  tellOutcomes(wanted: readonly WantedVolume[], attachments: readonly VolumeAttachment[]): void {
    for (const { attachment: name, volume, pods: users } of wanted) {
      const status = attachments.find(({ metadata }) => metadata.name === name)?.status;
      const failed = status?.attachError?.message;
      const outcome = status?.attached === true ? 'attached' : failed === undefined ? '' : `failed ${failed}`;
      if (this.told.get(name) === outcome || (outcome === '' && !this.told.has(name))) continue;
      this.told.set(name, outcome);
      const tell = (type: 'Normal' | 'Warning', reason: string, message: string): void => {
        for (const pod of users) this.events.event(subjectOf(pods, pod), type, reason, message);
      };
      const of = `for volume "${volume.metadata.name ?? ''}" `;
      if (outcome === 'attached') tell('Normal', 'SuccessfulAttachVolume', `AttachVolume.Attach succeeded ${of}`);
      else if (failed !== undefined)
        tell('Warning', 'FailedAttachVolume', `AttachVolume.Attach failed ${of}: ${failed}`);
    }
  }

  /** @param message names who has the volume */
  tellBlocked(volume: WantedVolume, message: string): void {
    for (const pod of volume.pods) this.events.event(subjectOf(pods, pod), 'Warning', 'FailedAttachVolume', message);
  }

  /** The attachment is gone: the next of that name has its own outcomes. */
  forget(attachment: string): void {
    this.told.delete(attachment);
  }
}
