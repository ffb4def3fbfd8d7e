/** What plugins are given of the scheduler that they run in. */
import type { Client } from '../../../machinery/client/client.ts';
import type { EventSink } from '../../../machinery/client/event-recorder.ts';
import type { InformerFactory } from '../../../machinery/client/informer.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { VolumeBinder } from '../volume-binder.ts';
import type { CycleState } from './cycle-state.ts';
import type { Extender } from './extender.ts';
import type { Rejection } from '../plan/rejection.ts';
import type { NodeInfo } from './node-info.ts';
import type { Nominator } from './nominator.ts';
import type { Snapshot } from './snapshot.ts';
import type { WaitingPods } from './waiting-pods.ts';

export interface Handle {
  /** Name of the profile that the plugin belongs to: what pods name as their scheduler. */
  readonly schedulerName: string;
  readonly client: Client;
  /** Informers that a factory asks for here have synced before the first decision. */
  readonly informers: InformerFactory;
  readonly recorder: EventSink;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Shared by all profiles, as are `waitingPods` and `volumes`. */
  readonly nominator: Nominator;
  readonly waitingPods: WaitingPods;
  /** Claims and volumes with what was decided of them already. */
  readonly volumes: VolumeBinder;

  /** Web services that have a say in decisions, in the order in which they are asked; the same for all profiles. */
  readonly extenders: readonly Extender[];

  /** The cluster as the running cycle sees it. */
  snapshot(): Snapshot;
  /** PreFilter's extensions of all plugins, for trials: on a clone of the state and of the node, changed already. */
  addPod(state: CycleState, pod: Pod, other: Pod, node: NodeInfo): void;
  removePod(state: CycleState, pod: Pod, other: Pod, node: NodeInfo): void;
  /** Names of the plugins whose Filter is asked in that state. */
  filtersAsked(state: CycleState): readonly string[];
  /** Why the pod cannot run on the node, nominated pods that are not less important included; undefined when it can. */
  runFilters(state: CycleState, pod: Pod, node: NodeInfo): readonly Rejection[] | undefined;
}
