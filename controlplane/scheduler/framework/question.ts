/** What is asked of the plugins for one pod. */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { Consultation } from './consult-extenders.ts';
import type { Nominator } from './nominator.ts';
import type { PluginsByPoint } from './profile.ts';
import type { Snapshot } from './snapshot.ts';
import type { Timing } from './timing.ts';

export interface Question {
  readonly plugins: PluginsByPoint;
  readonly pod: Pod;
  readonly snapshot: Snapshot;
  readonly nominator: Nominator;
  /** Chooses among equally good nodes: an index below its argument. */
  readonly tieBreaker: (candidates: number) => number;
  /** How many nodes that fit are enough; default all. */
  readonly enough?: number | undefined;
  /** Index of the node to begin with; default 0. */
  readonly start?: number | undefined;
  /** What extenders said of the nodes that were found before: others are not looked at. */
  readonly consultation?: Consultation | undefined;
  readonly timing?: Timing | undefined;
}
