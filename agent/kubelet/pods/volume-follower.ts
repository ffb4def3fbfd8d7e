/**
 * Takes up the volumes of pods that run already when the kubelet starts: what they show changes, tokens in them end, and some are published
 * anew or grow. A pod whose containers this kubelet starts has its volumes taken up by that.
 */
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { VolumeManager } from '../volumes/volume-manager.ts';
import { Gate } from './gate.ts';
import type { PodRecord } from './pod-record.ts';
import { keyOf } from '../../../machinery/meta/object.ts';

export interface VolumeFollowerOptions {
  readonly volumes: Pick<VolumeManager, 'prepare'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** There may be many pods at once, and none of them is in a hurry. */
const AT_ONCE = 4;
const PATIENCE_MS = 2_000;
const RETRY_MS = 30_000;

export class VolumeFollower {
  private readonly options: VolumeFollowerOptions;
  private readonly gate: Gate;

  constructor(options: VolumeFollowerOptions) {
    this.options = options;
    this.gate = new Gate({ limit: AT_ONCE, patienceMs: PATIENCE_MS, clock: options.clock });
  }

  /** Begins, unless that was done. Never waits, never throws. */
  follow(record: PodRecord): void {
    if (record.following !== undefined || (record.pod.spec.volumes ?? []).length === 0) return;
    record.following = new AbortController();
    void this.keepTrying(record, AbortSignal.any([record.following.signal, record.abort.signal]));
  }

  private async keepTrying(record: PodRecord, signal: AbortSignal): Promise<void> {
    const { volumes, clock, logger } = this.options;
    for (;;) {
      try {
        await this.gate.run(() => volumes.prepare(record.pod, signal), signal);
        return;
      } catch (error) {
        if (signal.aborted) return;
        logger.info(
          { err: error, pod: keyOf(record.pod) },
          'Volumes of a running pod cannot be followed; trying again',
        );
        await clock.sleep(RETRY_MS, signal).catch(() => undefined);
      }
    }
  }
}
