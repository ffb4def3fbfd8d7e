/**
 * What happened since a service's endpoints were last looked at: the earliest of its pods' changes, or its own creation.
 * Source: upstream `endpointslice/util/trigger_time_tracker.go`.
 */
import type { Pod, Service } from '../../../proto/api/core-v1.ts';
import { keyOf } from '../../../machinery/meta/object.ts';
import { parseTime } from '../../../machinery/meta/time.ts';
import { podTriggerMs } from './plan/trigger-time.ts';

interface Seen {
  readonly createdAtMs: number;
  /** By pod name. */
  readonly pods: ReadonlyMap<string, number>;
}

export class TriggerTimes {
  private readonly seen = new Map<string, Seen>();

  /** Milliseconds since the epoch; undefined if nothing happened that has a time. Remembers what it was shown. */
  next(service: Service, pods: readonly Pod[]): number | undefined {
    const key = keyOf(service);
    const before = this.seen.get(key);
    const createdAtMs = parseTime(service.metadata.creationTimestamp ?? '') ?? 0;
    const times = new Map<string, number>();
    let earliest = createdAtMs > (before?.createdAtMs ?? 0) ? createdAtMs : undefined;
    for (const pod of pods) {
      const ms = podTriggerMs(pod);
      const { name = '' } = pod.metadata;
      if (ms === undefined) continue;
      times.set(name, ms);
      if (ms > (before?.pods.get(name) ?? 0)) earliest = Math.min(earliest ?? ms, ms);
    }
    this.seen.set(key, { createdAtMs, pods: times });
    return before === undefined ? createdAtMs || undefined : earliest;
  }

  forget(key: string): void {
    this.seen.delete(key);
  }
}
