/** The volumes of a node, of every kind that it has. */
import { join } from 'node:path';
import type { Client } from '../../../machinery/client/client.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { PayloadSources } from './gather-payload.ts';
import { emptyDirVolumes } from './kinds/empty-dir-volumes.ts';
import { hostPathVolumes } from './kinds/host-path-volumes.ts';
import { localVolumes } from './kinds/local-volumes.ts';
import { PayloadVolumes } from './kinds/payload-volumes.ts';
import { NodeVolumeManager } from './node-volume-manager.ts';
import { TokenSource } from './token-source.ts';
import type { VolumeKind } from './volume-kind.ts';
import type { VolumeManager } from './volume-manager.ts';

export interface VolumeManagerOptions extends Omit<PayloadSources, 'tokens'> {
  /** The kubelet's root folder. */
  readonly root: string;
  readonly client: Client;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Beside those that stand here. */
  readonly otherKinds?: readonly VolumeKind[];
}

export function createVolumeManager(options: VolumeManagerOptions): VolumeManager {
  const { root, client, clock, logger, objects, fieldContext, allocatable, otherKinds = [] } = options;
  const sources = { objects, fieldContext, allocatable, tokens: new TokenSource(client, clock) };
  const kinds = [
    new PayloadVolumes({ sources, memoryFolder: join(root, 'memory'), clock }),
    emptyDirVolumes(),
    hostPathVolumes(),
    localVolumes(),
    ...otherKinds,
  ];
  return new NodeVolumeManager({ root, kinds, client, clock, logger });
}
