/**
 * What brings service models into effect. A back end is of one address family and knows services alone: which of them changed, what UDP flows
 * the kernel must forget and who is told of problems is the Proxier's.
 *
 * - The Proxier makes one call at a time, and says `replaceAll` before the first `update` and after every failure.
 * - `replaceAll` finds what the kernel has from an earlier process and changes only what differs: no connection is cut by a restart.
 */
import type { ServicePortModel } from './plan/model.ts';
import type { PathStep, RuleDifference } from './plan/packet-path.ts';

/** The models of one service, of the back end's family; no ports if it is gone or has none of that family. */
export interface ServiceUpdate {
  /** `namespace/name`. */
  readonly service: string;
  readonly ports: readonly ServicePortModel[];
}

export interface ProxyBackend {
  readonly name: 'iptables' | 'nftables' | 'userspace';
  /** Makes the kernel have exactly the rules of these services. @throws CommandError if that could not be done; what stands then is unknown */
  replaceAll(updates: Iterable<ServiceUpdate>): Promise<void>;
  /** Writes what changed, a service at most once. @throws CommandError likewise */
  update(updates: readonly ServiceUpdate[]): Promise<void>;
  /** Whether someone changed our rules since; to be answered by a look at a few of them, not at all. */
  hasDrifted(): Promise<boolean>;
  /** Removes everything of this back end in its family, also what an earlier process made. @returns whether there was anything */
  cleanup(): Promise<boolean>;
  /** Services that could not be brought into effect while others were, with the reason; kept up to date by every write. */
  readonly refused: ReadonlyMap<string, string>;
  /** How many rules stand, by table: `nat`, `filter`; for metrics. Absent where nothing counts as a rule. */
  ruleCounts?(): ReadonlyMap<string, number>;
  /** The way of packets to a service, read from the kernel now; absent where nothing stands in the kernel. */
  path?(update: ServiceUpdate): Promise<readonly PathStep[]>;
  /** What the kernel has otherwise than these services, which are all, want it. */
  compare?(updates: readonly ServiceUpdate[]): Promise<readonly RuleDifference[]>;
}
