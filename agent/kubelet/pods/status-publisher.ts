/** Computes a pod's status from what is known now, and hands it to the status manager. */
import type { Allocations } from '../allocations/create-allocations.ts';
import type { PodCache } from '../pleg/pod-cache.ts';
import { podStatus } from '../plan/pod-status.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Prober } from '../prober/prober.ts';
import { withAllocated } from '../resources/plan/allocated-status.ts';
import type { ResourceManagers } from '../resources/resource-managers.ts';
import type { PodRecord } from './pod-record.ts';
import type { StatusManager } from './status-manager.ts';

export interface StatusPublisherOptions {
  readonly cache: PodCache;
  readonly prober: Prober;
  readonly status: StatusManager;
  readonly clock: Clock;
  readonly allocations: Allocations;
  /** Devices that containers have. */
  readonly resources: Pick<ResourceManagers, 'statusOf'>;
  readonly hostIPs: readonly string[];
  /** `containerd`, before `://` in container ids. */
  readonly runtimeName: () => string;
}

export class StatusPublisher {
  private readonly options: StatusPublisherOptions;

  constructor(options: StatusPublisherOptions) {
    this.options = options;
  }

  /** @param final nothing of the pod runs, and nothing will */
  publish(record: PodRecord, how: { urgent: boolean; final?: boolean }): void {
    if (record.gone) return;
    const { cache, prober, status, clock, allocations, resources, hostIPs, runtimeName } = this.options;
    const next = podStatus({
      pod: record.pod,
      view: cache.view(record.uid),
      waiting: record.waiting,
      probes: container =>
        record.hooking.has(container.id) ? { ready: false, started: false } : prober.answers(container),
      applied: container => allocations.appliedTo(record.uid, container),
      resizeConditions: allocations.conditions(record.uid),
      hostIPs,
      runtimeName: runtimeName(),
      nowMs: clock.now(),
      older: status.current(record.pod),
      verdict: record.verdict,
      final: how.final === true,
    });
    const told = withAllocated(next, container => resources.statusOf(record.uid, container));
    status.set(record.pod, told, how.urgent);
  }
}
