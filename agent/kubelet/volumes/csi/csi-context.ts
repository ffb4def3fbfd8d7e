/** What the parts of CSI volumes share. */
import type { Client } from '../../../../machinery/client/client.ts';
import type { EventSink } from '../../../../machinery/client/event-recorder.ts';
import type { Clock } from '../../../../machinery/process/clock.ts';
import type { Logger } from '../../../../machinery/process/logger.ts';
import type { PodObjects } from '../../objects/pod-objects.ts';
import type { GuardedFiles } from '../../../host/files/guarded-files.ts';
import type { StorageMetrics } from '../storage-metrics.ts';
import type { StageWatch } from '../../pods/slow-stages.ts';

export interface CsiContext {
  /** The kubelet's root folder. */
  readonly root: string;
  readonly nodeName: string;
  readonly client: Client;
  readonly objects: PodObjects;
  readonly files: GuardedFiles;
  readonly recorder: EventSink;
  readonly stages: StageWatch;
  readonly storage: StorageMetrics;
  readonly clock: Clock;
  readonly logger: Logger;
}
