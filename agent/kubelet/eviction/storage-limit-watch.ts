/**
 * Finds pods that lay more on the node's disk than their limits let them. Walking over directories costs, so it is done as rarely as the
 * speed allows at which the pods fill their disks.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import { uidOf } from '../plan/pod-spec.ts';
import { exceededLimit, hasStorageLimit, nextWalkMs, storageUses, type ExceededLimit } from './plan/storage-limits.ts';
import type { PodUsageMeter } from './pod-usage-meter.ts';

export interface StorageLimitWatchOptions {
  readonly meter: Pick<PodUsageMeter, 'disksOf'>;
  /** What lies on disks is measured at least this often. */
  readonly longestWalkMs: number;
  /** How long the last walk over directories took. */
  readonly lastWalkMs: () => number;
  readonly clock: Clock;
}

/** A pod and the first of its limits that it went beyond. */
export interface PodBeyondLimit {
  readonly pod: Pod;
  readonly exceeded: ExceededLimit;
}

/** A walk that is due within this is not put off to the next look. */
const LOOK_SLACK_MS = 1_000;
/** Walking may take a twentieth of the time. */
const WALK_SHARE = 20;

export class StorageLimitWatch {
  private readonly options: StorageLimitWatchOptions;
  /** Bytes by key of a limit, and when they were measured. */
  private walked: { readonly atMs: number; readonly used: ReadonlyMap<string, number> } | undefined;
  private nextWalkMs = 0;
  /** UIDs of pods whose disks were measured at least once. */
  private measured: ReadonlySet<string> = new Set();

  constructor(options: StorageLimitWatchOptions) {
    this.options = options;
  }

  /**
   * Measures if it is time to, and looks who is beyond its limits; nobody, if it is not time.
   * @param pods those that may be ended @param dedicatedImageFs containers' own files lie on another disk, and do not count
   */
  async beyond(pods: readonly Pod[], dedicatedImageFs: boolean, signal: AbortSignal): Promise<PodBeyondLimit[]> {
    const { meter, clock, longestWalkMs, lastWalkMs } = this.options;
    const limited = pods.filter(hasStorageLimit);
    const isKnown = (pod: Pod): boolean => this.measured.has(uidOf(pod));
    if (limited.length === 0 || (clock.monotonicMs() < this.nextWalkMs && limited.every(isKnown))) return [];
    const usages = await meter.disksOf(limited, signal);
    const rows = limited.flatMap(pod => {
      const usage = usages.get(uidOf(pod));
      return usage === undefined ? [] : [{ pod, uses: storageUses(pod, usage, dedicatedImageFs) }];
    });
    const all = rows.flatMap(({ uses }) => uses);
    const nowMs = clock.monotonicMs();
    const elapsedMs = nowMs - (this.walked?.atMs ?? nowMs);
    const waitMs = nextWalkMs(this.walked?.used ?? new Map(), all, elapsedMs, longestWalkMs);
    this.nextWalkMs = nowMs + Math.max(waitMs, lastWalkMs() * WALK_SHARE) - LOOK_SLACK_MS;
    this.walked = { atMs: nowMs, used: new Map(all.map(({ key, used }) => [key, used])) };
    this.measured = new Set(limited.map(uidOf));
    return rows.flatMap(({ pod, uses }) => {
      const exceeded = exceededLimit(uses);
      return exceeded === undefined ? [] : [{ pod, exceeded }];
    });
  }
}
