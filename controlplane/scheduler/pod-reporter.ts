/**
 * Tells users what becomes of their pods: events, and the PodScheduled condition while no node is found.
 *
 * - A word that was said already is not said again: neither event nor write while reason and message stay as they are.
 * - So many writes at once and no more, and of one pod the newest word alone: ten thousand pods that fit nowhere must not flood the API.
 */
import type { Client } from '../../machinery/client/client.ts';
import { subjectOf, type EventSink } from '../../machinery/client/event-recorder.ts';
import { pods } from '../../machinery/client/resource.ts';
import { keyOf } from '../../machinery/meta/object.ts';
import { StatusError } from '../../machinery/meta/status-error.ts';
import { formatTime } from '../../machinery/meta/time.ts';
import type { Clock } from '../../machinery/process/clock.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import type { Pod, PodCondition } from '../../proto/api/core-v1.ts';

export interface PodReporterOptions {
  readonly client: Client;
  readonly recorder: EventSink;
  readonly clock: Clock;
  readonly logger: Logger;
}

export type WaitReason = 'Unschedulable' | 'SchedulerError' | 'SchedulingGated';

interface Report {
  readonly pod: Pod;
  readonly reason: WaitReason;
  readonly message: string;
}

const WRITES_AT_ONCE = 16;

export class PodReporter {
  private readonly options: PodReporterOptions;
  /** What is still to be written, by UID. */
  private readonly pending = new Map<string, Report>();
  private readonly writing = new Set<Promise<void>>();
  /** How many of them still look for something to write. */
  private writers = 0;

  constructor(options: PodReporterOptions) {
    this.options = options;
  }

  scheduled(pod: Pod, nodeName: string): void {
    const message = `Successfully assigned ${keyOf(pod)} to ${nodeName}`;
    this.options.recorder.event(subjectOf(pods, pod), 'Normal', 'Scheduled', message);
  }

  /** The pod has no node, for this reason. */
  waits(pod: Pod, reason: WaitReason, message: string, signal: AbortSignal): void {
    const uid = pod.metadata.uid ?? '';
    const said = this.pending.get(uid) ?? conditionOf(pod);
    if (said?.reason === reason && said.message === message) return;
    if (reason !== 'SchedulingGated')
      this.options.recorder.event(subjectOf(pods, pod), 'Warning', 'FailedScheduling', message);
    this.pending.set(uid, { pod, reason, message });
    while (!signal.aborted && this.writers < WRITES_AT_ONCE && this.pending.size > this.writers) {
      const work: Promise<void> = this.write(signal).finally(() => this.writing.delete(work));
      this.writing.add(work);
    }
  }

  /** Resolves when nothing is being written any more. */
  async settled(): Promise<void> {
    await Promise.all(this.writing);
  }

  private async write(signal: AbortSignal): Promise<void> {
    this.writers++;
    for (const [uid, report] of this.pending) {
      if (signal.aborted) break;
      this.pending.delete(uid);
      await this.patch(report, signal);
    }
    // In the same breath in which nothing was found: what comes after it must find a writer, or make one.
    this.writers--;
  }

  private async patch({ pod, reason, message }: Report, signal: AbortSignal): Promise<void> {
    const { client, clock, logger } = this.options;
    const older = conditionOf(pod);
    const { namespace, name = '', uid, generation } = pod.metadata;
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      reason,
      message,
      lastTransitionTime: older?.status === 'False' ? older.lastTransitionTime : formatTime(clock.now()),
      observedGeneration: generation,
    };
    try {
      const patch = { metadata: { uid }, status: { conditions: [condition] } };
      await client.of(pods).patch({ namespace, name }, patch, { type: 'strategic', subresource: 'status', signal });
    } catch (error) {
      if (signal.aborted || isGone(error)) return;
      logger.warn({ pod: keyOf(pod), err: error }, 'the pod cannot be told why it waits');
    }
  }
}

function conditionOf(pod: Pod): PodCondition | undefined {
  return pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
}

/** The pod is not there any more, or is another one. */
function isGone(error: unknown): boolean {
  return error instanceof StatusError && ['NotFound', 'Conflict', 'Invalid'].includes(error.reason);
}
