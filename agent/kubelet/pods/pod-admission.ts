/**
 * Whether the node takes a pod: asked once, before anything of it is made. A critical pod may first have others ended that stand in its way.
 *
 * - A pod that already runs here was taken before, and has what it was given.
 * - What plugins are asked for may take long: meanwhile the next pod finds this one counted.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import { subjectOf, type EventSink } from '../../../machinery/client/event-recorder.ts';
import { pods } from '../../../machinery/client/resource.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { Allocations } from '../allocations/create-allocations.ts';
import type { AdmissionVerdict } from '../plan/node-admission.ts';
import { uidOf } from '../plan/pod-spec.ts';
import type { PodVerdict } from '../plan/pod-status.ts';
import { PREEMPTED } from '../plan/preemption.ts';
import type { PodCache } from '../pleg/pod-cache.ts';
import type { ResourceManagers } from '../resources/resource-managers.ts';
import type { PodWorkMetrics } from '../stats/pod-work-metrics.ts';
import type { PodRecord } from './pod-record.ts';

export interface PodAdmissionOptions {
  readonly cache: PodCache;
  readonly allocations: Allocations;
  readonly recorder: EventSink;
  readonly logger: Logger;
  readonly work: Pick<PodWorkMetrics, 'preempted'>;
  /** Whether the node takes the pod, given those that it has; undefined: it does. */
  readonly admit: (pod: Pod, others: readonly Pod[]) => AdmissionVerdict | undefined;
  /** Processors, memory and devices that are given to single containers. */
  readonly resources: Pick<ResourceManagers, 'admit' | 'release'>;
  /** Asks the API for the node: what `admit` looks at may be older than what the scheduler saw. */
  readonly refreshNode: (signal: AbortSignal) => Promise<void>;
}

/** The other pods of this node, as the workers have them. */
export interface Neighbours {
  /** Those that were taken and are not to end. */
  others(record: PodRecord): readonly Pod[];
  /** Whether something of the pod may still run. */
  mayRun(uid: string): boolean;
  end(uid: string, verdict: PodVerdict): void;
}

export type Admission =
  | { readonly kind: 'admitted' }
  /** For pods that end to make room: once they have ended, it is to be asked again. */
  | { readonly kind: 'waits' }
  | { readonly kind: 'rejected'; readonly verdict: PodVerdict };

export class PodAdmission {
  private readonly options: PodAdmissionOptions;
  private readonly neighbours: Neighbours;

  constructor(options: PodAdmissionOptions, neighbours: Neighbours) {
    this.options = options;
    this.neighbours = neighbours;
  }

  /** @throws what the API or a plugin said, or the signal's reason */
  async admit(record: PodRecord, signal: AbortSignal): Promise<Admission> {
    const { allocations, logger, recorder, refreshNode } = this.options;
    if ([...record.victims].some(uid => this.neighbours.mayRun(uid))) return { kind: 'waits' };
    let rejection = this.ask(record);
    if (rejection !== undefined) {
      await refreshNode(signal);
      rejection = this.ask(record);
    }
    if (rejection?.victims !== undefined) {
      this.preempt(record, rejection.victims, rejection.short ?? '');
      return { kind: 'waits' };
    }
    const verdict = rejection ?? (await this.giveResources(record, signal));
    if (verdict !== undefined) {
      recorder.event(subjectOf(pods, record.pod), 'Warning', verdict.reason, verdict.message);
      return { kind: 'rejected', verdict };
    }
    allocations.store.admit(record.pod).catch((error: unknown) => {
      logger.error(
        { err: error, uid: record.uid },
        'Cannot keep what was allocated to a pod; a restart would forget it',
      );
    });
    return { kind: 'admitted' };
  }

  private ask(record: PodRecord): AdmissionVerdict | undefined {
    if (this.options.cache.view(record.uid) !== undefined) return undefined;
    return this.options.admit(record.pod, this.neighbours.others(record));
  }

  private preempt(record: PodRecord, victims: readonly Pod[], resource: string): void {
    for (const victim of victims) {
      this.options.recorder.event(subjectOf(pods, victim), 'Warning', PREEMPTED.reason, PREEMPTED.message);
      this.options.work.preempted(resource);
      record.victims.add(uidOf(victim));
      this.neighbours.end(uidOf(victim), PREEMPTED);
    }
  }

  private async giveResources(record: PodRecord, signal: AbortSignal): Promise<PodVerdict | undefined> {
    record.admitted = true;
    if (this.options.cache.view(record.uid) !== undefined) return undefined;
    let given = false;
    try {
      const rejection = await this.options.resources.admit(record.pod, signal);
      given = rejection === undefined;
      return rejection;
    } finally {
      record.admitted = given;
    }
  }
}
