/** One volume of one pod, with all that its driver's calls need. */
import { uniqueVolumeName } from '../../../../machinery/meta/csi-names.ts';
import type { Pod } from '../../../../proto/api/core-v1.ts';
import type { CSIDriver } from '../../../../proto/api/storage-v1.ts';
import { subjectOf } from '../../../../machinery/client/event-recorder.ts';
import { pods } from '../../../../machinery/client/resource.ts';
import { errorText } from '../../../../machinery/meta/error-text.ts';
import type { Stage } from '../../pods/slow-stages.ts';
import { VolumeError } from '../volume-manager.ts';
import type { VolumeRequest } from '../volume-kind.ts';
import type { CsiClient } from './csi-client.ts';
import type { CsiVolume } from './plan/csi-volume.ts';

export interface CsiOrder {
  readonly request: VolumeRequest;
  readonly pod: Pod;
  readonly volume: CsiVolume;
  /** The volume's name on the node. */
  readonly unique: string;
  /** Undefined: the driver has none, and upstream's defaults hold. */
  readonly object: CSIDriver | undefined;
  readonly client: CsiClient;
  /** From the attacher. */
  readonly publishContext: Record<string, string>;
  /** Name of the VolumeAttachment; '' when none is needed. */
  readonly attachmentId: string;
}

export function uniqueOf({ driver, handle }: CsiVolume): string {
  return uniqueVolumeName(driver, handle);
}

/** For the watch over calls that hang. @param call as the CSI specification names it */
export function stageOf(pod: Pod, driver: string, volumeName: string, call: string): Stage {
  const waitsFor = `CSI driver ${driver} does not answer; see the log of its pod on this node`;
  return { subject: subjectOf(pods, pod), doing: `${call} of volume "${volumeName}"`, waitsFor };
}

/** @param step as upstream names it in events: `MountVolume.SetUp` */
export function failed(step: string, order: Pick<CsiOrder, 'request' | 'volume'>, error: unknown): VolumeError {
  if (error instanceof VolumeError) return error;
  const why = errorText(error);
  const { request, volume } = order;
  const reason = step.startsWith('MapVolume') ? 'FailedMapVolume' : 'FailedMount';
  return new VolumeError(request.volume.name, `${step} failed for volume "${volume.name}" : ${why}`, {
    cause: error,
    reason,
  });
}
